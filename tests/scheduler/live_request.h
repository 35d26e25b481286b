// SPDX-License-Identifier: Apache-2.0
// A request of the simulation: what it asks for, and what has been seen of its answer.
#pragma once

#include <string>
#include <vector>

#include "ember/base/integers.h"
#include "scheduler/fake_model.h"
#include "scheduler/setup.h"

namespace ember::test {

// Small and random, as the choices say; arrives at `now`.
inline Request any_request(Choices& c, RequestId id, TimePoint now) {
  Request r;
  r.id = id;
  for (int n = c.between(1, 8); n > 0; --n) r.prompt.push_back(c.below(kVocab));
  r.max_tokens = c.between(0, 9);
  r.min_tokens = c.below(3);
  if (c.one_in(3)) r.stop_token_ids = {c.below(kVocab)};
  r.prompt_logprobs = c.one_in(4);
  r.cache_scope.tenant.assign(1, c.one_in(4) ? 'b' : 'a');
  if (c.one_in(6)) r.cache_scope.salt.assign(1, 's');
  r.priority = c.below(3);
  r.sampling.seed = static_cast<uint64_t>(c.below(4));
  if (c.one_in(4)) r.constraint = std::make_shared<WitnessSource>();
  if (c.one_in(6)) {
    // It begins in the middle.
    const Answer answer = run_alone(r);
    if (const auto n = static_cast<int>(answer.tokens.size()); n > 1) {
      r.progress.output.assign(answer.tokens.begin(), answer.tokens.begin() + c.below(n));
      if (r.prompt_logprobs && !r.progress.output.empty())
        r.progress.num_prompt_logprobs = static_cast<int32_t>(answer.prompt_logprobs.size());
    }
  }
  if (c.one_in(8)) r.deadline = now + std::chrono::seconds(c.below(12));
  if (c.one_in(8)) r.start_deadline = now + std::chrono::seconds(c.below(6));
  return r;
}

struct LiveRequest {
  Request request;
  std::vector<int32_t> tokens;  // of the answer
  std::vector<float> prompt_logprobs;
  bool cancelled = false;
  bool had_drafts = false;
  int num_computed = 0, num_preemptions = 0;
  const Sequence* seq = nullptr;  // once it has been in a step
};

// Some of what the request will say, and some that it will not.
inline std::vector<int32_t> any_draft(Choices& c, const LiveRequest& live) {
  const std::vector<int32_t> answer = run_alone(live.request).tokens;
  std::vector<int32_t> draft;
  for (size_t i = live.tokens.size(); draft.size() < 5 && !c.one_in(5); ++i)
    draft.push_back(i < answer.size() && !c.one_in(4) ? answer[i] : c.below(kVocab));
  return draft;
}

// Of a request that has come to its end: only what the cache did not hold was computed, and no more
// than one token too many for each step ahead. Drafts are computed for nothing, and a request that
// goes on may find its output in the cache.
inline void expect_little_computed(const LiveRequest& live, const TokenOutput& event,
                                   int max_in_flight) {
  if (live.num_preemptions > 0 || live.had_drafts || !live.request.progress.output.empty()) return;
  const bool has_last_token =
      event.finish == FinishReason::kStop || event.finish == FinishReason::kLength;
  const int stored = static_cast<int>(live.request.prompt.size() + live.tokens.size()) -
                     (has_last_token && live.request.max_tokens > 0 ? 1 : 0);
  const int computed = live.num_computed + event.num_cached_tokens;
  expect(computed >= stored && computed <= stored + max_in_flight - 1,
         fmt::format("request {} computed {} of {}", event.request_id, computed, stored));
}

inline bool at_rest(const Scheduler& scheduler) {
  const SchedulerStats stats = scheduler.stats();
  return !scheduler.has_work() && stats.num_running == 0 && stats.num_waiting == 0 &&
         stats.num_used_blocks == 0;
}

inline bool drafts_take_blocks(const Step& step, int block_size) {
  return std::ranges::any_of(step.seqs, [block_size](const ScheduledSequence& part) {
    const int end = part.first_position + part.num_tokens;
    return ceil_div(end, block_size) > ceil_div(end - part.num_draft_tokens, block_size);
  });
}

}  // namespace ember::test
