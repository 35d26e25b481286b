// SPDX-License-Identifier: Apache-2.0
// What is asked of the engine, and what it answers: the messages between server and engine.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ember/base/clock.h"
#include "ember/base/sampling.h"
#include "ember/base/token_constraint.h"
#include "ember/cache/cache_scope.h"
#include "ember/scheduler/trace.h"

namespace ember {

using RequestId = uint64_t;

// What has been generated before, perhaps by another engine: the request goes on behind it as if it
// had never been interrupted.
struct Progress {
  std::vector<int32_t> output;      // fewer than max_tokens
  int32_t num_prompt_logprobs = 0;  // prompt positions whose log probabilities were given out
};

struct Request {
  RequestId id = 0;             // unique for the life of the process
  std::vector<int32_t> prompt;  // at least one token
  SamplingParams sampling;
  std::shared_ptr<const ConstraintSource> constraint;  // null: none
  // Of output, >= 0 (0: the prompt's log probabilities only). prompt + max_tokens <= max_model_len.
  int32_t max_tokens = 1;
  // Stop ids cannot be chosen before, unless a constraint allows nothing else.
  int32_t min_tokens = 0;
  std::vector<int32_t> stop_token_ids;  // sorted; end-of-sequence ids included unless ignored
  // -1: none; n >= 0: of the chosen token and the n most likely, for each output token.
  int32_t num_logprobs = -1;
  // The same for each prompt token but the first, with num_logprobs as n.
  bool prompt_logprobs = false;
  Progress progress;
  CacheScope cache_scope;             // whose request it is, and whose cached blocks it may share
  int32_t priority = 0;               // smaller goes first under the priority policy
  TimePoint arrival{};                // TimePoint{}: when it is submitted
  TimePoint start_deadline = kNever;  // still waiting then: kQueueTimeout
  TimePoint deadline = kNever;        // not finished then: kDeadline
};

// A request on its way: complete, immutable, and kept by whoever still reads it.
using RequestRef = std::shared_ptr<const Request>;
inline RequestRef share(Request request) {
  return std::make_shared<const Request>(std::move(request));
}

enum class FinishReason : uint8_t {
  kNone,    // goes on
  kStop,    // a stop token
  kLength,  // max_tokens, or the cache cannot hold one more
  kCancelled,
  kQueueTimeout,
  kDeadline,
  kNumericalError,    // NaN in the logits
  kConstraintFailed,  // no token was left that the constraint allows
  kEngineFailed,
};

// One event of one request. The last one has finish != kNone; nothing follows it.
struct TokenOutput {
  RequestId request_id = 0;
  int32_t token = -1;  // -1: no token with this event
  FinishReason finish = FinishReason::kNone;
  int32_t num_cached_tokens = 0;  // prompt tokens found in the prefix cache at first admission
  float logprob = 0.0f;           // of token, when asked for
  int32_t token_rank = 0;         // of token, when asked for
  std::vector<TokenLogprob> top_logprobs;
  std::vector<SampledToken>
      prompt_logprobs;    // a run of the prompt's, in order, starting with its second token
  TimePoint scheduled{};  // first time in a step; on the first event
  std::shared_ptr<const SequenceTrace> trace;  // on the last event
};

}  // namespace ember
