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
int q_len_of(const ScheduledSequence& part) { return part.num_drafts > 0 ? 1 : part.num_tokens; }

// A token that is still being sampled has the id -1 - row: the logit row of the step before that
// samples it.
int32_t token_at(const ScheduledSequence& part, int position) {
  const Sequence& seq = *part.seq;
  const auto at = static_cast<size_t>(position);
  if (at < seq.tokens.size()) return seq.tokens[at];
  if (part.num_drafts > 0) return seq.draft[at - seq.tokens.size()];
  CHECK(part.pending_row >= 0);
  return -1 - part.pending_row;
}

}  // namespace

BatchBuilder::BatchBuilder(const BatchLimits& limits, std::span<const BatchShape> repeatable)
    : limits_(limits), repeatable_(repeatable.begin(), repeatable.end()) {
  batch_.memory.resize(static_cast<size_t>(limits.num_elements()));
  batch_.rows.reserve(static_cast<size_t>(limits.max_logit_rows));
  BatchView& view = batch_.view;
  view.token_ids = carve({limits.max_tokens});
  view.positions = carve({limits.max_tokens});
  view.slots = carve({limits.max_tokens});
  view.q_starts = carve({limits.max_seqs + 1});
  view.kv_lens = carve({limits.max_seqs});
  view.logit_rows = carve({limits.max_logit_rows});
  // The last array, because most of it is unused.
  view.block_tables = carve({limits.max_seqs, limits.max_blocks});
}

Tensor BatchBuilder::carve(std::initializer_list<int64_t> shape) {
  const Tensor array(batch_.memory.data() + num_carved_, DType::kI32, shape);
  num_carved_ += array.elements();
  return array;
}

HostBatch& BatchBuilder::build(const Step& step) {
  CHECK(step.num_tokens <= limits_.max_tokens && step.num_logit_rows <= limits_.max_logit_rows);
  clear();
  BatchView& view = batch_.view;
  bool uniform = !step.seqs.empty();
  for (const ScheduledSequence& part : step.seqs) {
    const int first_token = view.num_tokens;
    const int q_len = q_len_of(part);
    for (int end = q_len; end <= part.num_tokens; end += q_len)
      add_sequence(part, q_len, part.first_position + end);
    uniform = uniform && is_answer(part) && q_len == q_len_of(step.seqs[0]) &&
              part.num_tokens == part.num_logit_rows;
    add_tokens(part, first_token);
    add_logit_rows(part, first_token);
  }
  const auto shape = std::ranges::find_if(repeatable_, [&](const BatchShape& s) {
    return s.num_seqs >= view.num_seqs && s.q_len == view.max_q_len && fits(s);
  });
  if (uniform && shape != repeatable_.end()) pad(*shape);
  set_sizes();
  return batch_;
}

HostBatch& BatchBuilder::build_padding(const BatchShape& shape) {
  CHECK(fits(shape));
  clear();
  pad(shape);
  set_sizes();
  return batch_;
}

void BatchBuilder::clear() {
  BatchView& view = batch_.view;
  view.num_tokens = view.num_seqs = view.num_logit_rows = view.num_decodes = 0;
  view.max_q_len = view.max_kv_len = 0;
  view.shape.reset();
  view.q_starts.as<int32_t>()[0] = 0;
  batch_.rows.clear();
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
    std::fill_n(view.block_tables.as<int32_t>() + s * view.block_tables.row_stride,
                limits_.max_blocks, 0);
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

// Cuts the arrays to the size of the batch; the memory behind its values is not used.
void BatchBuilder::set_sizes() {
  BatchView& view = batch_.view;
  for (Tensor* array : {&view.token_ids, &view.positions, &view.slots})
    *array = array->rows(view.num_tokens);
  view.q_starts = view.q_starts.rows(view.num_seqs + 1);
  view.kv_lens = view.kv_lens.rows(view.num_seqs);
  view.block_tables = view.block_tables.rows(view.num_seqs);
  view.logit_rows = view.logit_rows.rows(view.num_logit_rows);
  batch_.num_used = static_cast<size_t>(view.block_tables.as<int32_t>() - batch_.memory.data() +
                                        view.num_seqs * view.block_tables.row_stride);
}

void BatchBuilder::add_sequence(const ScheduledSequence& part, int q_len, int kv_len) {
  BatchView& view = batch_.view;
  CHECK(view.num_seqs < limits_.max_seqs);
  const int s = view.num_seqs++;
  const std::vector<int32_t>& table = part.seq->block_table;
  std::copy(table.begin(), table.end(),
            view.block_tables.as<int32_t>() + s * view.block_tables.row_stride);
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
    row.prompt = seq.request->prompt;
    row.output = seq.output();
    row.pending = part.pending_row;
    row.position = position + 1;
    row.num_logprobs = seq.request->num_logprobs;
    const bool sampled = part.is_sampled(i);
    if (part.num_drafts > 0)
      row.draft = std::span(seq.draft).first(static_cast<size_t>(position) + 1 - known);
    if (!sampled) row.given_token = seq.tokens[static_cast<size_t>(position) + 1];
    if (sampled && position + 1 - seq.num_prompt_tokens() < seq.request->min_tokens)
      row.banned = seq.request->stop_token_ids;
  }
}

}  // namespace ember
