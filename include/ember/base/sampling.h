// SPDX-License-Identifier: Apache-2.0
// How the next token of one sequence is chosen: plain numbers, shared by requests and the devices
// that sample.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace ember {

// Applied in this order: logit bias, allowed tokens and masks; repetition, presence and frequency
// penalties; temperature; top-k, top-p, min-p (each on what the one before left). Defaults change
// nothing but the temperature.
struct SamplingParams {
  float temperature = 1.0f;  // 0 is greedy: the largest logit, ties to the lowest id
  int32_t top_k = 0;         // 0: off
  float top_p = 1.0f;        // 1: off
  float min_p = 0.0f;        // 0: off
  float repetition_penalty =
      1.0f;                       // over prompt and output, as Hugging Face: l > 0 ? l / r : l * r
  float presence_penalty = 0.0f;  // over the output, as OpenAI: subtracted once for each token seen
  float frequency_penalty = 0.0f;  // over the output: subtracted for each time it was seen
  uint64_t seed = 0;  // the draw for a position depends on (seed, position) and the logits alone
  std::vector<std::pair<int32_t, float>>
      logit_bias;                          // (token id, added to its logit), sorted by id
  std::vector<int32_t> allowed_token_ids;  // sorted; empty: all are allowed

  bool has_penalties() const {
    return repetition_penalty != 1.0f || presence_penalty != 0.0f || frequency_penalty != 0.0f;
  }
};

// Natural-log probability of a token under the model's own distribution, before penalties and
// temperature.
struct TokenLogprob {
  int32_t token = -1;
  float logprob = 0.0f;
};

// What was chosen for one row of logits.
struct SampledToken {
  int32_t token =
      -1;  // -1: the row held a NaN or no finite logit, or none was allowed; the sequence must end
  float logprob = 0.0f;    // of `token`; only when logprobs were asked for
  int32_t token_rank = 0;  // of `token` among all by logit, 1 is the largest; only with logprobs
  std::vector<TokenLogprob> top;  // the most likely ones, best first, ties to the lowest id
};

}  // namespace ember
