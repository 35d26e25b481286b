#include "ember/engine/batch_builder.h"

#include <algorithm>

#include "ember/base/check.h"

namespace ember {

BatchBuilder::BatchBuilder(Backend& backend, const BatchLimits& limits) : limits_(limits), backend_(backend) {
  const int64_t size = 3 * int64_t{limits.max_tokens} + (2 + limits.max_blocks) * int64_t{limits.max_seqs} + 1 + limits.max_logit_rows;
  host_.resize(static_cast<size_t>(size));
  device_ = backend.allocate(DType::kI32, {size});
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
  view_ = {.num_tokens = step.num_tokens, .num_seqs = static_cast<int>(step.seqs.size()), .num_logit_rows = step.num_logit_rows};
  rows_.clear();
  int token = 0;
  for (size_t s = 0; s < step.seqs.size(); ++s) {
    const ScheduledSequence& part = step.seqs[s];
    const std::vector<int32_t>& table = part.seq->block_table;
    const int kv_len = part.first_position + part.num_tokens;
    q_starts_.host[s] = token;
    kv_lens_.host[s] = kv_len;
    std::copy(table.begin(), table.end(), block_tables_.host + s * static_cast<size_t>(limits_.max_blocks));
    view_.max_q_len = std::max(view_.max_q_len, part.num_tokens);
    view_.max_kv_len = std::max(view_.max_kv_len, kv_len);
    add_tokens(part, token);
    add_logit_rows(part, token);
    token += part.num_tokens;
  }
  q_starts_.host[step.seqs.size()] = token;
  // One copy: up to the last block table in use.
  const int64_t used = block_tables_.device.as<int32_t>() - device_.as<int32_t>() + int64_t{view_.num_seqs} * limits_.max_blocks;
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
    token_ids_.host[token] = seq.tokens[static_cast<size_t>(position)];
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
    row.position = position + 1;
    row.num_logprobs = seq.request.num_logprobs;
    const bool sampled = part.samples && i == part.num_logit_rows - 1;
    if (!sampled) row.given_token = seq.tokens[static_cast<size_t>(position) + 1];
    if (sampled && seq.num_output_tokens() < seq.request.min_tokens) row.banned = seq.request.stop_token_ids;
  }
}

}  // namespace ember
