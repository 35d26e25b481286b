// SPDX-License-Identifier: Apache-2.0
// A request being run.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ember/cache/block_pool.h"
#include "ember/scheduler/draft_policy.h"
#include "ember/scheduler/request.h"
#include "ember/scheduler/trace.h"

namespace ember {

enum class SequenceState : uint8_t {
  kWaiting,   // for its first step, or for its next one after a preemption; owns no block
  kRunning,   // owns the blocks of its computed tokens
  kFinished,  // its last event is out; kept only until the steps in flight that read its blocks are
              // committed
};

// Owned by the scheduler. Others read it, and only while it is part of a step.
struct Sequence {
  RequestRef request;
  TimePoint arrival_time{};  // the request's, or when it was submitted if that has none
  uint64_t arrival = 0;      // how many were submitted before
  int64_t priority_key =
      0;  // its priority under that policy, else 0; smaller goes first, then the earlier arrival
  SequenceState state = SequenceState::kWaiting;

  std::vector<int32_t> tokens;  // prompt, then output
  std::vector<int32_t> draft;   // may follow them; proposed, to be verified
  // Their K and V are in the cache, or will be once the steps in flight are done.
  int num_computed_tokens = 0;
  // Being sampled by steps in flight: positions tokens.size() and on. With drafts in flight, as
  // many as there are if all are accepted.
  int num_pending_tokens = 0;
  int pending_row = -1;        // the logit row that samples the last of them, in its step
  int num_pending_drafts = 0;  // being verified by the step in flight
  int in_flight = 0;           // launched steps it is part of
  DraftPolicy draft_policy;    // how many drafts pay

  // Of a constrained sequence, null until its first mask is computed. Touched by who computes its
  // masks, in StepRunner::launch and sample, and by the scheduler in commit.
  std::unique_ptr<TokenConstraint> constraint;

  std::vector<int32_t> block_table;
  std::vector<PrefixId>
      prefixes;  // of the leading blocks of block_table that are full and committed

  int num_prompt_logprobs = 0;  // prompt positions whose log probabilities have been given out
  int num_cached_tokens = 0;    // prompt tokens found in the prefix cache when it first ran
  int num_preemptions = 0;
  TimePoint scheduled{};  // first time in a step
  bool first_event_sent = false;
  SequenceTrace trace;  // its counters; the rest is filled in by snapshot()

  int num_prompt_tokens() const { return static_cast<int>(request->prompt.size()); }
  int num_output_tokens() const { return static_cast<int>(tokens.size()) - num_prompt_tokens(); }
  // Tokens there will be once the steps in flight are done and their drafts are accepted.
  int num_tokens() const { return static_cast<int>(tokens.size()) + num_pending_tokens; }
  int num_uncomputed_tokens() const { return num_tokens() - num_computed_tokens; }
  // What is left to compute is its newest output token. A prompt's last token alone is a chunk like
  // any other.
  bool decodes() const {
    return num_uncomputed_tokens() == 1 && num_computed_tokens >= num_prompt_tokens();
  }
  SequenceTrace snapshot() const;
  std::span<const int32_t> output() const {
    return std::span(tokens).subspan(request->prompt.size());
  }

  // Whether a goes before b wherever they compete.
  static bool before(const Sequence* a, const Sequence* b) {
    return a->priority_key != b->priority_key ? a->priority_key < b->priority_key
                                              : a->arrival < b->arrival;
  }
};

}  // namespace ember
