// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/trace.h"

#include "ember/scheduler/scheduler.h"

namespace ember {

SequenceTrace Sequence::snapshot() const {
  SequenceTrace now = trace;
  now.id = request->id;
  now.num_prompt_tokens = num_prompt_tokens();
  now.num_cached_tokens = num_cached_tokens;
  now.num_computed_tokens = num_computed_tokens;
  now.num_output_tokens = num_output_tokens();
  now.max_tokens = request->max_tokens;
  now.num_blocks = static_cast<int>(block_table.size());
  now.num_preemptions = num_preemptions;
  now.arrival = arrival_time;
  now.scheduled = scheduled;
  switch (state) {
    case SequenceState::kWaiting:
      now.phase = SequencePhase::kQueued;
      break;
    case SequenceState::kRunning:
      now.phase = num_output_tokens() + num_pending_tokens > 0 ? SequencePhase::kDecode
                                                               : SequencePhase::kPrefill;
      break;
    case SequenceState::kFinished:
      now.phase = SequencePhase::kEnded;
      break;
  }
  return now;
}

std::vector<SequenceTrace> Scheduler::traces() const {
  std::vector<SequenceTrace> all;
  all.reserve(running_.size() + waiting_.size());
  for (const Order* order : {&running_, &waiting_})
    for (const Sequence* seq : *order) all.push_back(seq->snapshot());
  return all;
}

}  // namespace ember
