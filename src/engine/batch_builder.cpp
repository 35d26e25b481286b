// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/batch_builder.h"

#include <algorithm>

#include "ember/base/check.h"

namespace ember {

namespace {

// The last token of a prompt does not belong to the answer, even when it is a chunk of its own: its
// bits must not depend on how the prompt was divided into chunks.
bool is_answer(const ScheduledSequence& part) {
  return part.first_position >= part.seq->num_prompt_tokens();
}

// Of each sequence that the part is to the device. Drafts are decodes whose tokens happen to be
// known: each is a sequence of one token, so that its bits are a decode's.
int q_len_of(const ScheduledSequence& part) {
  return part.num_draft_tokens > 0 ? 1 : part.num_tokens;
}

int num_seqs_of(const Step& step) {
  int num_seqs = 0;
  for (const ScheduledSequence& part : step.seqs) num_seqs += part.num_tokens / q_len_of(part);
  return num_seqs;
}

// A token that is still being sampled has the id -1 - row: the logit row of the step before that
// samples it.
int32_t token_at(const ScheduledSequence& part, int position) {
  const Sequence& seq = *part.seq;
  const auto at = static_cast<size_t>(position);
  if (at < seq.tokens.size()) return seq.tokens[at];
  if (part.num_draft_tokens > 0) return seq.draft[at - seq.tokens.size()];
  CHECK(part.pending_row >= 0);
  return -1 - part.pending_row;
}

}  // namespace

BatchBuilder::BatchBuilder(const BatchLimits& limits, std::span<const BatchShape> repeatable)
    : limits_(limits), repeatable_(repeatable.begin(), repeatable.end()) {
  batch_.memory.resize(static_cast<size_t>(limits.num_elements()));
  batch_.rows.reserve(static_cast<size_t>(limits.max_logit_rows));
}

Tensor BatchBuilder::carve(std::initializer_list<int64_t> shape) {
  const Tensor array(batch_.memory.data() + limits_.num_table_elements() + batch_.num_used,
                     DType::kI32, shape);
  batch_.num_used += static_cast<size_t>(array.elements());
  return array;
}

HostBatch& BatchBuilder::build(const Step& step) {
  CHECK(step.num_tokens <= limits_.max_tokens && step.num_logit_rows <= limits_.max_logit_rows);
  const std::optional<BatchShape> shape = shape_for(step);
  if (shape)
    begin(shape->num_tokens(), shape->num_seqs, shape->num_tokens());
  else
    begin(step.num_tokens, num_seqs_of(step), step.num_logit_rows);
  BatchView& view = batch_.view;
  for (const ScheduledSequence& part : step.seqs) {
    const int first_token = view.num_tokens;
    const int q_len = q_len_of(part);
    for (int end = q_len; end <= part.num_tokens; end += q_len)
      add_sequence(part, q_len, part.first_position + end);
    add_tokens(part, first_token);
    add_logit_rows(part, first_token);
  }
  batch_.num_tables = view.num_seqs;
  if (shape) pad(*shape);
  return batch_;
}

HostBatch& BatchBuilder::build_padding(const BatchShape& shape) {
  CHECK(fits(shape));
  begin(shape.num_tokens(), shape.num_seqs, shape.num_tokens());
  pad(shape);
  return batch_;
}

// That the step is padded to, when all its sequences compute as much of their answers.
std::optional<BatchShape> BatchBuilder::shape_for(const Step& step) const {
  if (step.seqs.empty()) return std::nullopt;
  const int q_len = q_len_of(step.seqs[0]), num_seqs = num_seqs_of(step);
  for (const ScheduledSequence& part : step.seqs)
    if (!is_answer(part) || q_len_of(part) != q_len || part.num_tokens != part.num_logit_rows)
      return std::nullopt;
  const auto shape = std::ranges::find_if(repeatable_, [&](const BatchShape& s) {
    return s.num_seqs >= num_seqs && s.q_len == q_len && fits(s);
  });
  return shape == repeatable_.end() ? std::nullopt : std::optional(*shape);
}

// Room for so many of each, nothing in it yet.
void BatchBuilder::begin(int num_tokens, int num_seqs, int num_logit_rows) {
  CHECK(num_seqs <= limits_.max_seqs);
  BatchView& view = batch_.view;
  batch_.num_used = 0;
  batch_.num_tables = batch_.num_table_columns = 0;
  batch_.rows.clear();
  view.num_tokens = view.num_seqs = view.num_logit_rows = view.num_decodes = 0;
  view.max_q_len = view.max_kv_len = 0;
  view.shape.reset();
  view.block_tables =
      Tensor(batch_.memory.data(), DType::kI32, {num_seqs, int64_t{limits_.max_blocks}});
  view.token_ids = carve({num_tokens});
  view.positions = carve({num_tokens});
  view.slots = carve({num_tokens});
  view.q_starts = carve({num_seqs + 1});
  view.kv_lens = carve({num_seqs});
  view.logit_rows = carve({num_logit_rows});
  view.q_starts.as<int32_t>()[0] = 0;
}

bool BatchBuilder::fits(const BatchShape& shape) const {
  return shape.num_seqs <= limits_.max_seqs &&
         shape.num_tokens() <= std::min(limits_.max_tokens, limits_.max_logit_rows);
}

// Pads a batch whose sequences all have shape.q_len tokens and logit rows to that shape.
void BatchBuilder::pad(const BatchShape& shape) {
  BatchView& view = batch_.view;
  for (int s = view.num_seqs; s < shape.num_seqs; ++s) {
    view.q_starts.as<int32_t>()[s + 1] = view.num_tokens;
    view.kv_lens.as<int32_t>()[s] = 0;
  }
  for (int t = view.num_tokens; t < shape.num_tokens(); ++t) {
    view.token_ids.as<int32_t>()[t] = view.positions.as<int32_t>()[t] = 0;
    view.slots.as<int32_t>()[t] = view.logit_rows.as<int32_t>()[t] = -1;
  }
  view.num_seqs = shape.num_seqs;
  view.num_tokens = view.num_logit_rows = shape.num_tokens();
  view.num_decodes = shape.q_len == 1 ? shape.num_seqs : 0;
  view.max_q_len = shape.q_len;
  view.shape = shape;
}

void BatchBuilder::add_sequence(const ScheduledSequence& part, int q_len, int kv_len) {
  BatchView& view = batch_.view;
  const int s = view.num_seqs++;
  const std::vector<int32_t>& table = part.seq->block_table;
  std::copy(table.begin(), table.end(),
            view.block_tables.as<int32_t>() + s * view.block_tables.row_stride);
  batch_.num_table_columns = std::max(batch_.num_table_columns, static_cast<int>(table.size()));
  view.kv_lens.as<int32_t>()[s] = kv_len;
  view.num_tokens += q_len;
  view.q_starts.as<int32_t>()[s + 1] = view.num_tokens;
  view.max_q_len = std::max(view.max_q_len, q_len);
  view.max_kv_len = std::max(view.max_kv_len, kv_len);
  if (q_len == 1 && is_answer(part) && view.num_decodes == s) ++view.num_decodes;
}

void BatchBuilder::add_tokens(const ScheduledSequence& part, int first_token) {
  const Sequence& seq = *part.seq;
  BatchView& view = batch_.view;
  for (int i = 0; i < part.num_tokens; ++i) {
    const int position = part.first_position + i, token = first_token + i;
    const int block = seq.block_table[static_cast<size_t>(position / limits_.block_size)];
    view.token_ids.as<int32_t>()[token] = token_at(part, position);
    view.positions.as<int32_t>()[token] = position;
    view.slots.as<int32_t>()[token] = block * limits_.block_size + position % limits_.block_size;
  }
}

void BatchBuilder::add_logit_rows(const ScheduledSequence& part, int first_token) {
  const Sequence& seq = *part.seq;
  const size_t known = seq.tokens.size();
  for (int i = 0; i < part.num_logit_rows; ++i) {
    const int position = part.first_row_position + i;
    batch_.view.logit_rows.as<int32_t>()[batch_.view.num_logit_rows++] =
        first_token + position - part.first_position;
    SamplingRow& row = batch_.rows.emplace_back();
    row.params = &seq.request->sampling;
    row.sequence = seq.arrival + 1;
    row.prompt = seq.request->prompt;
    row.output = seq.output();
    row.pending = part.pending_row;
    row.position = position + 1;
    row.num_logprobs = seq.request->num_logprobs;
    const bool sampled = part.is_sampled(i);
    if (part.num_draft_tokens > 0)
      row.draft = std::span(seq.draft).first(static_cast<size_t>(position) + 1 - known);
    if (!sampled) row.given_token = seq.tokens[static_cast<size_t>(position) + 1];
    if (sampled && position + 1 - seq.num_prompt_tokens() < seq.request->min_tokens)
      row.banned = seq.request->stop_token_ids;
  }
}

}  // namespace ember
