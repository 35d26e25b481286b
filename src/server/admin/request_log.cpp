// SPDX-License-Identifier: Apache-2.0
#include "ember/server/request_log.h"

#include <algorithm>

namespace ember {

void RequestLog::begin(RequestRecord record) {
  MutexLock lock(mu_);
  const RequestId key = record.first_sequence;
  records_[key] = std::move(record);
}

void RequestLog::add_trace(const SequenceTrace& trace) {
  MutexLock lock(mu_);
  auto found = records_.upper_bound(trace.id);
  if (found == records_.begin()) return;
  RequestRecord& record = (--found)->second;
  if (trace.id - record.first_sequence < static_cast<RequestId>(record.num_sequences))
    record.traces.push_back(trace);
}

void RequestLog::end(RequestId first_sequence, int status, TimePoint now) {
  MutexLock lock(mu_);
  const auto found = records_.find(first_sequence);
  if (found == records_.end() || !found->second.inside()) return;
  found->second.status = status;
  found->second.ended = now;
  ended_.push_back(first_sequence);
  if (ended_.size() <= max_ended_) return;
  records_.erase(ended_.front());
  ended_.pop_front();
}

std::vector<RequestRecord> RequestLog::inside() const {
  MutexLock lock(mu_);
  std::vector<RequestRecord> found;
  for (const auto& [key, record] : records_)
    if (record.inside()) found.push_back(record);
  return found;
}

std::vector<RequestRecord> RequestLog::find(const std::string& id) const {
  MutexLock lock(mu_);
  std::vector<RequestRecord> found;
  for (const auto& [key, record] : records_)
    if (record.request_id == id || record.answer_id == id) found.push_back(record);
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace ember
