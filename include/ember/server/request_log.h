// SPDX-License-Identifier: Apache-2.0
// The generating requests that are inside or ended lately: what operators list, explain and abort.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ember/base/mutex.h"
#include "ember/scheduler/request.h"

namespace ember {

// One request of a client; it became num_sequences requests of the engine: first_sequence and on.
struct RequestRecord {
  RequestId first_sequence = 0;
  int num_sequences = 1;
  std::string request_id;  // X-Request-Id
  std::string answer_id;   // "chatcmpl-..."
  std::string path, client;
  bool stream = false;
  TimePoint arrival{};
  TimePoint ended{};                  // TimePoint{}: it is still inside
  int status = 0;                     // HTTP status of the ended one; 499: the client was gone
  std::vector<SequenceTrace> traces;  // of its sequences that have ended, as they ended

  bool inside() const { return ended == TimePoint{}; }
};

// Any thread. Touched three times by a request, never by a token.
class RequestLog {
 public:
  // max_ended: how many ended requests are remembered.
  explicit RequestLog(size_t max_ended = 1024) : max_ended_(max_ended) {}

  void begin(RequestRecord record) EXCLUDES(mu_);
  // May come before end() or after it. One of an unknown request is dropped.
  void add_trace(const SequenceTrace& trace) EXCLUDES(mu_);
  void end(RequestId first_sequence, int status, TimePoint now) EXCLUDES(mu_);

  // Oldest first.
  std::vector<RequestRecord> inside() const EXCLUDES(mu_);
  // Those whose X-Request-Id or id in the answer is `id`, newest first: clients may use an id
  // twice.
  std::vector<RequestRecord> find(const std::string& id) const EXCLUDES(mu_);

 private:
  const size_t max_ended_;
  mutable Mutex mu_;
  std::map<RequestId, RequestRecord> records_ GUARDED_BY(mu_);  // by first_sequence
  std::deque<RequestId> ended_ GUARDED_BY(mu_);                 // oldest first
};

}  // namespace ember
