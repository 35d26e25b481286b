// SPDX-License-Identifier: Apache-2.0
#include "warm_up.h"

#include <algorithm>

#include "ember/base/integers.h"

namespace ember {

namespace {

// A prompt of zeros whose cache is block 0, over and over.
Sequence prompt_of(int num_tokens, int block_size) {
  Request request;
  request.prompt.assign(static_cast<size_t>(num_tokens), 0);
  request.sampling = {.temperature = 0.8f,
                      .top_k = 50,
                      .top_p = 0.9f,
                      .min_p = 0.01f,
                      .repetition_penalty = 1.1f,
                      .presence_penalty = 0.1f,
                      .frequency_penalty = 0.1f,
                      .logit_bias = {{0, 1.0f}}};
  request.min_tokens = 1;
  request.stop_token_ids = {0};
  request.num_logprobs = 2;
  request.prompt_logprobs = true;
  Sequence seq;
  seq.tokens = request.prompt;
  seq.request = share(std::move(request));
  seq.block_table.assign(static_cast<size_t>(ceil_div(num_tokens, block_size)), 0);
  return seq;
}

}  // namespace

WarmUp::WarmUp(const DecoderLimits& limits, int max_num_seqs, int64_t vocab_size)
    : limits_(limits),
      max_num_seqs_(max_num_seqs),
      mask_(ceil_div(static_cast<size_t>(vocab_size), 32), ~0u) {}

const Step& WarmUp::step(int num_tokens) {
  step_ = {};
  seqs_.clear();
  seqs_.reserve(static_cast<size_t>(max_num_seqs_));  // the step points to them
  while (step_.num_tokens < num_tokens && std::ssize(seqs_) < max_num_seqs_) {
    const int tokens = std::min(num_tokens - step_.num_tokens, limits_.max_model_len);
    const int rows = std::min(tokens, limits_.max_logit_rows - step_.num_logit_rows);
    Sequence& seq = seqs_.emplace_back(prompt_of(tokens, limits_.block_size));
    step_.seqs.push_back({.seq = &seq,
                          .num_tokens = tokens,
                          .first_row_position = tokens - rows,
                          .num_logit_rows = rows,
                          .num_sampled = std::min(rows, 1)});
    step_.num_tokens += tokens;
    step_.num_logit_rows += rows;
  }
  return step_;
}

void WarmUp::finish(HostBatch& batch) const {
  std::fill_n(batch.view.slots.as<int32_t>(), batch.view.num_tokens, -1);
  if (batch.rows.size() > 2) batch.rows.erase(batch.rows.begin(), batch.rows.end() - 2);
  for (SamplingRow& row : batch.rows)
    row.sequence = 0;  // an arrival's would be the first request's
  if (!batch.rows.empty()) batch.rows.back().mask = mask_;
}

}  // namespace ember
