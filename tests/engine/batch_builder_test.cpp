// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/batch_builder.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

std::vector<int32_t> values(const Tensor& tensor) {
  return {tensor.as<int32_t>(), tensor.as<int32_t>() + tensor.elements()};
}

TEST(BatchBuilder, FlattensDecodesAndPrefills) {
  BatchBuilder builder(
      {.max_tokens = 16, .max_seqs = 4, .max_logit_rows = 8, .max_blocks = 5, .block_size = 4}, {});
  Sequence decode, prefill;
  decode.request = share({.prompt = {1, 2, 3, 4, 5}, .min_tokens = 3, .stop_token_ids = {9}});
  decode.tokens = {1, 2, 3, 4, 5, 6};
  decode.block_table = {7, 3};
  prefill.tokens = {11, 12, 13, 14};
  prefill.request = share({.prompt = prefill.tokens, .num_logprobs = 2});
  prefill.block_table = {0};
  Step step;
  step.seqs.push_back({.seq = &decode,
                       .first_position = 5,
                       .num_tokens = 1,
                       .first_row_position = 5,
                       .num_logit_rows = 1,
                       .num_sampled = 1});
  step.seqs.push_back({.seq = &prefill,
                       .first_position = 1,
                       .num_tokens = 2,
                       .first_row_position = 1,
                       .num_logit_rows = 2});
  step.num_tokens = 3;
  step.num_logit_rows = 3;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const HostBatch& built = builder.build(step);
    const BatchView& batch = built.view;
    EXPECT_FALSE(batch.shape);
    EXPECT_EQ(batch.num_seqs, 2);
    EXPECT_EQ(batch.max_q_len, 2);
    EXPECT_EQ(batch.max_kv_len, 6);
    EXPECT_EQ(values(batch.token_ids), (std::vector<int32_t>{6, 12, 13}));
    EXPECT_EQ(values(batch.positions), (std::vector<int32_t>{5, 1, 2}));
    EXPECT_EQ(values(batch.slots), (std::vector<int32_t>{3 * 4 + 1, 1, 2}));
    EXPECT_EQ(values(batch.q_starts), (std::vector<int32_t>{0, 1, 3}));
    EXPECT_EQ(values(batch.kv_lens), (std::vector<int32_t>{6, 3}));
    EXPECT_EQ(values(batch.logit_rows), (std::vector<int32_t>{0, 1, 2}));
    EXPECT_EQ(batch.block_tables.as<int32_t>()[0], 7);
    EXPECT_EQ(batch.block_tables.as<int32_t>()[1], 3);
    EXPECT_EQ(batch.block_tables.as<int32_t>()[batch.block_tables.row_stride], 0);
    const std::vector<SamplingRow>& rows = built.rows;
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].position, 6);
    EXPECT_EQ(rows[0].given_token, -1);
    EXPECT_EQ(std::vector<int32_t>(rows[0].output.begin(), rows[0].output.end()),
              (std::vector<int32_t>{6}));
    EXPECT_EQ(rows[0].banned.size(), 1u);  // one of three tokens there must be before a stop
    EXPECT_EQ(rows[1].given_token, 13);
    EXPECT_EQ(rows[2].given_token, 14);
    EXPECT_EQ(rows[1].num_logprobs, 2);
  }
}

TEST(BatchBuilder, ATokenStillBeingSampledIsNamedByItsRow) {
  BatchBuilder builder(
      {.max_tokens = 16, .max_seqs = 4, .max_logit_rows = 8, .max_blocks = 5, .block_size = 4}, {});
  Sequence seq;
  seq.request = share({.prompt = {1, 2, 3}, .min_tokens = 2, .stop_token_ids = {9}});
  seq.tokens = {1, 2, 3};
  seq.num_pending_tokens = 2;  // one of the step before, one of this step
  seq.block_table = {2};
  Step step;
  step.seqs.push_back({.seq = &seq,
                       .first_position = 3,
                       .num_tokens = 1,
                       .first_row_position = 3,
                       .num_logit_rows = 1,
                       .num_sampled = 1,
                       .pending_row = 5});
  step.num_tokens = step.num_logit_rows = 1;
  const HostBatch& built = builder.build(step);
  EXPECT_EQ(values(built.view.token_ids), (std::vector<int32_t>{-6}));
  ASSERT_EQ(built.rows.size(), 1u);
  EXPECT_EQ(built.rows[0].pending, 5);
  EXPECT_EQ(built.rows[0].banned.size(), 1u) << "it is the second token, of two before a stop";
  EXPECT_EQ(built.rows[0].position, 4);
  seq.request = share({.prompt = {1, 2, 3}, .min_tokens = 1, .stop_token_ids = {9}});
  builder.build(step);
  EXPECT_EQ(built.rows[0].banned.size(), 0u) << "the pending token counts";
}

constexpr BatchShape kShapes[] = {{.num_seqs = 2, .q_len = 1},
                                  {.num_seqs = 4, .q_len = 1},
                                  {.num_seqs = 4, .q_len = 2},
                                  {.num_seqs = 8, .q_len = 1}};

TEST(BatchBuilder, StepsOfDecodesArePaddedToAShapeThatTheDeviceRepeats) {
  BatchBuilder builder(
      {.max_tokens = 16, .max_seqs = 5, .max_logit_rows = 8, .max_blocks = 5, .block_size = 4},
      kShapes);
  std::vector<Sequence> seqs(5);
  Step step;
  for (Sequence& seq : seqs) {
    seq.request = share({.prompt = {1, 2}});
    seq.tokens = {1, 2, 3};
    seq.block_table = {1};
  }
  const auto add = [&](size_t i, ScheduledSequence part) {
    part.seq = &seqs[i];
    step.seqs.push_back(part);
    step.num_tokens += part.num_tokens;
    step.num_logit_rows += part.num_logit_rows;
  };
  const ScheduledSequence decode{.first_position = 2,
                                 .num_tokens = 1,
                                 .first_row_position = 2,
                                 .num_logit_rows = 1,
                                 .num_sampled = 1};
  for (size_t i = 0; i < 3; ++i) add(i, decode);
  const HostBatch& built = builder.build(step);
  const BatchView& batch = built.view;
  EXPECT_EQ(batch.shape, kShapes[1]);
  EXPECT_EQ(batch.num_tokens, 4);
  EXPECT_EQ(batch.num_seqs, 4);
  EXPECT_EQ(batch.num_decodes, 4);
  EXPECT_EQ(batch.num_logit_rows, 4);
  EXPECT_EQ(values(batch.token_ids), (std::vector<int32_t>{3, 3, 3, 0}));
  EXPECT_EQ(values(batch.slots), (std::vector<int32_t>{6, 6, 6, -1}));
  EXPECT_EQ(values(batch.q_starts), (std::vector<int32_t>{0, 1, 2, 3, 3}));
  EXPECT_EQ(values(batch.kv_lens), (std::vector<int32_t>{3, 3, 3, 0}));
  EXPECT_EQ(values(batch.logit_rows), (std::vector<int32_t>{0, 1, 2, -1}));
  EXPECT_EQ(built.rows.size(), 3u);

  add(3, decode);
  add(4, decode);
  EXPECT_FALSE(builder.build(step).view.shape) << "8 tokens have no room among 5 sequences";
  EXPECT_EQ(batch.num_tokens, 5);
  EXPECT_EQ(batch.num_decodes, 5);

  step = {};
  add(0, decode);
  add(1, {.first_position = 0, .num_tokens = 2});
  EXPECT_FALSE(builder.build(step).view.shape) << "one is no decode";
  EXPECT_EQ(batch.num_decodes, 1);

  step = {};
  add(0, decode);
  add(1, {.first_position = 1,
          .num_tokens = 1,
          .first_row_position = 1,
          .num_logit_rows = 1,
          .num_sampled = 1});
  EXPECT_FALSE(builder.build(step).view.shape) << "one is the last chunk of a prompt";
  EXPECT_EQ(batch.num_decodes, 1);

  step = {};
  add(0, {.first_position = 0, .num_tokens = 1});
  EXPECT_FALSE(builder.build(step).view.shape) << "a chunk of one token that wants no logits";

  EXPECT_EQ(builder.build_padding(kShapes[0]).view.shape, kShapes[0]);
  EXPECT_EQ(values(batch.kv_lens), (std::vector<int32_t>{0, 0}));
  EXPECT_EQ(values(batch.q_starts), (std::vector<int32_t>{0, 0, 0}));
}

TEST(BatchBuilder, ADraftIsADecodeWithARowOfItsOwn) {
  BatchBuilder builder(
      {.max_tokens = 16, .max_seqs = 5, .max_logit_rows = 8, .max_blocks = 5, .block_size = 4},
      kShapes);
  std::vector<Sequence> seqs(2);
  Step step;
  for (Sequence& seq : seqs) {
    seq.request = share({.prompt = {1, 2}, .min_tokens = 2, .stop_token_ids = {9}});
    seq.tokens = {1, 2, 3};
    seq.draft = {4, 5};  // one more than the step takes
    seq.block_table = {1};
    step.seqs.push_back({.seq = &seq,
                         .first_position = 2,
                         .num_tokens = 2,
                         .first_row_position = 2,
                         .num_logit_rows = 2,
                         .num_sampled = 2,
                         .num_draft_tokens = 1});
  }
  step.num_tokens = step.num_logit_rows = 4;
  const HostBatch& built = builder.build(step);
  const BatchView& batch = built.view;
  EXPECT_EQ(batch.shape, kShapes[1]) << "four sequences of one token";
  EXPECT_EQ(batch.num_seqs, 4);
  EXPECT_EQ(batch.num_decodes, 4);
  EXPECT_EQ(batch.max_q_len, 1);
  EXPECT_EQ(values(batch.token_ids), (std::vector<int32_t>{3, 4, 3, 4}));
  EXPECT_EQ(values(batch.positions), (std::vector<int32_t>{2, 3, 2, 3}));
  EXPECT_EQ(values(batch.slots), (std::vector<int32_t>{6, 7, 6, 7}));
  EXPECT_EQ(values(batch.q_starts), (std::vector<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(values(batch.kv_lens), (std::vector<int32_t>{3, 4, 3, 4}));
  EXPECT_EQ(values(batch.logit_rows), (std::vector<int32_t>{0, 1, 2, 3}));
  ASSERT_EQ(built.rows.size(), 4u);
  EXPECT_TRUE(built.rows[0].draft.empty());
  ASSERT_EQ(built.rows[1].draft.size(), 1u) << "penalties count the draft before it";
  EXPECT_EQ(built.rows[1].draft[0], 4);
  EXPECT_EQ(built.rows[0].position, 3);
  EXPECT_EQ(built.rows[1].position, 4);
  EXPECT_EQ(built.rows[0].given_token, -1);
  EXPECT_EQ(built.rows[0].banned.size(), 1u) << "the second of two tokens before a stop";
  EXPECT_TRUE(built.rows[1].banned.empty());
}

}  // namespace
}  // namespace ember
