// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/batch_builder.h"

#include <algorithm>

#include "ember/base/check.h"

namespace ember {

int64_t BatchBuilder::num_elements(const BatchLimits& limits) {
  return 3 * int64_t{limits.max_tokens} + (2 + limits.max_blocks) * int64_t{limits.max_seqs} + 1 +
         limits.max_logit_rows;
}

size_t BatchBuilder::device_bytes(const Backend& backend, const BatchLimits& limits) {
  return backend.tensor_bytes(DType::kI32, {num_elements(limits)});
}

BatchBuilder::BatchBuilder(Backend& backend, const BatchLimits& limits)
    : limits_(limits), backend_(backend) {
  host_.resize(static_cast<size_t>(num_elements(limits)));
  device_ = backend.allocate(DType::kI32, {num_elements(limits)});
  token_ids_ = carve({limits.max_tokens});
  positions_ = carve({limits.max_tokens});
  slots_ = carve({limits.max_tokens});
  q_starts_ = carve({limits.max_seqs + 1});
  kv_lens_ = carve({limits.max_seqs});
  logit_rows_ = carve({limits.max_logit_rows});
  block_tables_ = carve({limits.max_seqs, limits.max_blocks});
  rows_.reserve(static_cast<size_t>(limits.max_logit_rows));
}

BatchBuilder::Array BatchBuilder::carve(std::initializer_list<int64_t> shape) {
  Array array{host_.data() + carved_, Tensor(device_.as<int32_t>() + carved_, DType::kI32, shape)};
  carved_ += array.device.elements();
  return array;
}

const BatchView& BatchBuilder::build(const Step& step) {
  CHECK(step.num_tokens <= limits_.max_tokens && step.num_logit_rows <= limits_.max_logit_rows);
  CHECK(step.seqs.size() <= static_cast<size_t>(limits_.max_seqs));
  view_ = {.num_tokens = step.num_tokens,
           .num_seqs = static_cast<int>(step.seqs.size()),
           .num_logit_rows = step.num_logit_rows};
  rows_.clear();
  int token = 0;
  bool repeatable = true;
  for (size_t s = 0; s < step.seqs.size(); ++s) {
    const ScheduledSequence& part = step.seqs[s];
    const std::vector<int32_t>& table = part.seq->block_table;
    const int kv_len = part.first_position + part.num_tokens;
    q_starts_.host[s] = token;
    kv_lens_.host[s] = kv_len;
    std::copy(table.begin(), table.end(),
              block_tables_.host + s * static_cast<size_t>(limits_.max_blocks));
    view_.max_q_len = std::max(view_.max_q_len, part.num_tokens);
    view_.max_kv_len = std::max(view_.max_kv_len, kv_len);
    // A prompt's last token is none, also when it comes alone: its bits must not depend on how the
    // prompt was cut.
    const bool decode =
        part.num_tokens == 1 && part.first_position >= part.seq->num_prompt_tokens();
    if (decode && view_.num_decodes == static_cast<int>(s)) ++view_.num_decodes;
    repeatable = repeatable && decode && part.num_logit_rows == 1;
    add_tokens(part, token);
    add_logit_rows(part, token);
    token += part.num_tokens;
  }
  q_starts_.host[step.seqs.size()] = token;
  const std::span<const int> sizes = backend_.repeatable_sizes();
  const auto size = std::ranges::lower_bound(sizes, token);
  if (repeatable && token > 0 && size != sizes.end() &&
      *size <= std::min({limits_.max_tokens, limits_.max_seqs, limits_.max_logit_rows}))
    pad(*size);
  return upload();
}

const BatchView& BatchBuilder::build_padding(int num_tokens) {
  CHECK(num_tokens <= std::min({limits_.max_tokens, limits_.max_seqs, limits_.max_logit_rows}));
  view_ = {};
  rows_.clear();
  q_starts_.host[0] = 0;
  pad(num_tokens);
  return upload();
}

// Makes the batch, which has one token and one logit row of each sequence, a repeatable one of
// `size` tokens.
void BatchBuilder::pad(int size) {
  for (int i = view_.num_tokens; i < size; ++i) {
    token_ids_.host[i] = positions_.host[i] = 0;
    slots_.host[i] = logit_rows_.host[i] = -1;
    q_starts_.host[i + 1] = view_.num_tokens;
    kv_lens_.host[i] = 0;
    std::fill_n(block_tables_.host + int64_t{i} * limits_.max_blocks, limits_.max_blocks, 0);
  }
  view_.num_tokens = view_.num_seqs = view_.num_logit_rows = view_.num_decodes = size;
  view_.max_q_len = 1;
  view_.repeatable = true;
}

const BatchView& BatchBuilder::upload() {
  // One copy: up to the last block table in use.
  const int64_t used = block_tables_.device.as<int32_t>() - device_.as<int32_t>() +
                       int64_t{view_.num_seqs} * limits_.max_blocks;
  backend_.write(device_, host_.data(), static_cast<size_t>(used) * sizeof(int32_t));

  view_.token_ids = token_ids_.device.rows(view_.num_tokens);
  view_.positions = positions_.device.rows(view_.num_tokens);
  view_.slots = slots_.device.rows(view_.num_tokens);
  view_.q_starts = q_starts_.device.rows(view_.num_seqs + 1);
  view_.kv_lens = kv_lens_.device.rows(view_.num_seqs);
  view_.logit_rows = logit_rows_.device.rows(view_.num_logit_rows);
  view_.block_tables = block_tables_.device.rows(view_.num_seqs);
  return view_;
}

void BatchBuilder::add_tokens(const ScheduledSequence& part, int first_token) {
  const Sequence& seq = *part.seq;
  for (int i = 0; i < part.num_tokens; ++i) {
    const int position = part.first_position + i, token = first_token + i;
    const int block = seq.block_table[static_cast<size_t>(position / limits_.block_size)];
    const bool known = static_cast<size_t>(position) < seq.tokens.size();
    CHECK(known || part.pending_row >= 0);
    token_ids_.host[token] =
        known ? seq.tokens[static_cast<size_t>(position)] : -1 - part.pending_row;
    positions_.host[token] = position;
    slots_.host[token] = block * limits_.block_size + position % limits_.block_size;
  }
}

void BatchBuilder::add_logit_rows(const ScheduledSequence& part, int first_token) {
  const Sequence& seq = *part.seq;
  for (int i = 0; i < part.num_logit_rows; ++i) {
    const int position = part.first_row_position + i;
    logit_rows_.host[rows_.size()] = first_token + position - part.first_position;
    SamplingRow& row = rows_.emplace_back();
    row.params = &seq.request.sampling;
    row.prompt = seq.request.prompt;
    row.output = seq.output();
    row.pending = part.pending_row;
    row.position = position + 1;
    row.num_logprobs = seq.request.num_logprobs;
    const bool sampled = part.samples && i == part.num_logit_rows - 1;
    if (!sampled) row.given_token = seq.tokens[static_cast<size_t>(position) + 1];
    if (sampled && position + 1 - seq.num_prompt_tokens() < seq.request.min_tokens)
      row.banned = seq.request.stop_token_ids;
  }
}

}  // namespace ember
