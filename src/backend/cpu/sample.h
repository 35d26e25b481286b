// SPDX-License-Identifier: Apache-2.0
// From a row of logits to the next token.
#pragma once

#include <span>
#include <vector>

#include "ember/backend/backend.h"

namespace ember::cpu {

// Memory that sampling one row needs; one per thread, grown once.
struct SampleScratch {
  std::vector<int32_t> candidates;
  std::vector<int32_t> counts;  // of output tokens, zero between calls
  std::vector<float> raw;       // logits before they were adjusted
  // The most of one.
  static size_t bytes(int64_t vocab_size) {
    return static_cast<size_t>(vocab_size) * (2 * sizeof(int32_t) + sizeof(float));
  }
};

// As base/sampling.h and SamplingRow say. Overwrites `logits`. The draw is an argmax over logit /
// temperature + Gumbel noise, the noise of a token being a function of (seed, position, token):
// equal to sampling from the softmax, and independent of everything else. `pending` is the token
// that row.pending refers to; -1: none.
SampledToken sample_row(std::span<float> logits, const SamplingRow& row, int32_t pending,
                        SampleScratch& scratch);

}  // namespace ember::cpu
