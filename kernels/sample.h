// SPDX-License-Identifier: Apache-2.0
// Sampling on the device: one row of logits, one token. src/backend/cpu/sample.cpp is the
// definition: the same order of adjustments, the same ties (to the lowest id), the same rules for
// NaN and infinities, the same Philox noise (ember/base/philox.h), so the same (seed, position)
// draws the same token wherever the logits are equal.
//
// No sort. Logits are compared as 64-bit codes (value, then lower id first), so all are distinct
// and top-k, top-p and min-p each come down to one cut: the survivors are the codes at or above it.
// The cut is found by histograms over ever smaller ranges of codes.
// - top-k and the rank count codes: exact.
// - top-p sums weights exp((l - max) / temperature), float32, in units of 2^-40 as integers, so
// that the sum does not depend on its
//   order. The set equals that of exact arithmetic unless p * total lies within 1e-6 * total of a
//   partial sum.
// - min-p compares in float64, as the CPU does.
// - The draw is an argmax of l / temperature + Gumbel noise: in float32 first, then in float64
// among those that can still win. Each row's result depends on that row alone, and is the same in
// every run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common.h"

namespace ember::kernels {

inline constexpr int kMaxTopLogprobs = 20;

// What penalties are about lives on the device: for each running sequence a row of words, one for
// each token of the vocabulary. Each step tells only what is new (update_seen).
inline constexpr uint32_t kSeenInPrompt =
    0x80000000u;  // the other bits: how often it is in the output

// Elements from one sequence's words to the next one's.
constexpr int64_t seen_stride(int vocab) { return (int64_t{vocab} + 63) / 64 * 64; }

// What a sequence has got since it was told last.
struct SeenUpdate {
  int32_t row = 0;    // of the words
  int32_t clear = 0;  // 1: they were another sequence's
  int32_t ids_begin = 0, num_prompt = 0,
          num_output = 0;  // of `ids`: of its prompt, then its output
};

// How row i of the logits becomes a token. Lists are ranges of the arrays of SampleLists.
struct SampleRow {
  uint64_t seed = 0, position = 0;  // key and counter of the noise
  float temperature = 1;            // below 1e-5: greedy
  float top_p = 1, min_p = 0;       // 1, 0: off
  int32_t top_k = 0;                // 0: off
  float repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  int32_t seen = -1;  // row of `seen`: the tokens that penalties are about; -1: none
  int32_t draft_begin = 0, draft_count = 0;  // of `ids`: the output also holds these
  int32_t pending =
      -1;  // >= 0: the output also holds previous[pending], which the host has not seen yet
  int32_t bias_begin = 0, bias_count = 0;
  int32_t banned_begin = 0, banned_count = 0;  // of `ids`: must not be chosen
  int32_t mask = -1;         // row of `masks`: allowed tokens and grammars; -1: none
  int32_t given_token = -1;  // >= 0: not sampled, its log probability is wanted
  int32_t num_logprobs =
      -1;  // -1: none; 0: of the chosen token; n: and of the n most likely, n <= kMaxTopLogprobs
};

struct TokenBias {
  int32_t token;
  float bias;  // finite
};

// Device memory. Token ids are in [0, vocab); those of one row's bias are distinct.
struct SampleLists {
  const uint32_t* seen = nullptr;  // rows of seen_stride(vocab) words
  const TokenBias* bias = nullptr;
  const int32_t* ids = nullptr;
  const uint32_t* masks =
      nullptr;  // rows of mask_stride words; bit (id % 32) of word id / 32 set: id may be chosen
  int mask_stride = 0;  // words, at least (vocab + 31) / 32
};

struct SampledRow {
  int32_t token;    // -1: the row held a NaN or no finite logit (or nothing was left); then nothing
                    // else is set but num_top = 0
  float logprob;    // of `token` under softmax(logits) before any adjustment; only with logprobs
  int32_t rank;     // of `token` among those, 1 is the largest; only with logprobs
  int32_t num_top;  // entries of the arrays below, best first, ties to the lowest id
  int32_t top_token[kMaxTopLogprobs];
  float top_logprob[kMaxTopLogprobs];
};

struct SampleArgs {
  const float* logits = nullptr;  // [rows][stride], not changed
  int64_t stride = 0;
  int rows = 0;  // 0: only the sequence word is written
  int vocab = 0;
  const SampleRow* params = nullptr;  // [rows], device memory
  SampleLists lists;
  int32_t* previous = nullptr;  // tokens of the step launched before; replaced by `tokens` once
                                // every row is done, if `sequence` is given
  void* workspace = nullptr;    // zero at first use, left ready for the next
  SampledRow* out = nullptr;    // [rows], device memory or host memory mapped into the device
  int32_t* tokens =
      nullptr;  // [first_row + rows], device memory: this launch writes those from first_row on
  int first_row = 0;  // of the step: rows before it were launched before
  uint32_t* sequence =
      nullptr;  // host memory mapped into the device, polled by the host; null: none
  uint32_t sequence_value = 0;  // stored there after everything else is visible to the host
};

struct SeenArgs {
  uint32_t* seen = nullptr;  // as SampleLists::seen
  int vocab = 0;
  const SeenUpdate* updates = nullptr;  // [count], of different rows
  int count = 0;
  const int32_t* ids = nullptr;
};

// Before the sample() that is to know. All in device memory.
void update_seen(const StreamRef& stream, const SeenArgs& args);

size_t sample_workspace_bytes(const StreamRef& stream, int max_rows, int vocab);
void sample(const StreamRef& stream, const SampleArgs& args);

}  // namespace ember::kernels
