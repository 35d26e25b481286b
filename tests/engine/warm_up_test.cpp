// SPDX-License-Identifier: Apache-2.0
#include "warm_up.h"

#include <gtest/gtest.h>

#include "ember/engine/batch_builder.h"
#include "ember/engine/decoder_runner.h"

namespace ember {
namespace {

constexpr DecoderLimits kLimits{
    .max_tokens = 40, .max_logit_rows = 24, .max_model_len = 16, .num_blocks = 8, .block_size = 4};

TEST(WarmUp, APromptOfManyTokensIsSeveral) {
  WarmUp warm_up(kLimits, 3, 100);
  const Step& step = warm_up.step(40);
  ASSERT_EQ(step.seqs.size(), 3u);
  EXPECT_EQ(step.num_tokens, 40);
  EXPECT_EQ(step.seqs[0].num_tokens, 16);
  EXPECT_EQ(step.seqs[2].num_tokens, 8);
  EXPECT_EQ(step.num_logit_rows, 24) << "as many as may be";
  EXPECT_EQ(warm_up.step(5).num_tokens, 5);
}

TEST(WarmUp, NoMoreTokensThanEverComeTogether) {
  WarmUp warm_up(kLimits, 2, 100);
  EXPECT_EQ(warm_up.step(40).num_tokens, 32);
}

TEST(WarmUp, ABatchReadsBlockZeroAndStoresNothing) {
  WarmUp warm_up(kLimits, 3, 100);
  BatchBuilder builder(batch_limits(kLimits, 3), {});
  HostBatch& batch = builder.build(warm_up.step(18));
  warm_up.finish(batch);
  const BatchView& view = batch.view;
  EXPECT_EQ(view.num_decodes, 0);
  EXPECT_EQ(view.num_logit_rows, 18);
  for (int t = 0; t < view.num_tokens; ++t) EXPECT_EQ(view.slots.as<int32_t>()[t], -1);
  for (int block = 0; block < 4; ++block)
    EXPECT_EQ(view.block_tables.as<int32_t>()[block], 0) << block;
}

TEST(WarmUp, OneRowTakesEveryOption) {
  WarmUp warm_up(kLimits, 3, 100);
  BatchBuilder builder(batch_limits(kLimits, 3), {});
  HostBatch& batch = builder.build(warm_up.step(8));
  warm_up.finish(batch);
  ASSERT_EQ(batch.rows.size(), 2u);
  EXPECT_EQ(batch.rows[0].given_token, 0) << "the log probability of a prompt's token";
  const SamplingRow& row = batch.rows[1];
  EXPECT_EQ(row.given_token, -1);
  EXPECT_EQ(row.mask.size(), 4u);
  EXPECT_EQ(row.banned.size(), 1u);
  EXPECT_EQ(row.num_logprobs, 2);
  const SamplingParams& p = *row.params;
  EXPECT_TRUE(p.temperature > 0 && p.top_k > 0 && p.top_p < 1 && p.min_p > 0);
  EXPECT_TRUE(p.repetition_penalty != 1 && p.presence_penalty != 0 && p.frequency_penalty != 0);
  EXPECT_FALSE(p.logit_bias.empty());
}

// Who is remembered by the number of the first request's sequence has that request's penalties.
TEST(WarmUp, NoRowIsRemembered) {
  for (const int num_tokens : {1, 2, 8, 16, 17, 18, 32, 33, 40}) {
    WarmUp warm_up(kLimits, 3, 100);
    BatchBuilder builder(batch_limits(kLimits, 3), {});
    HostBatch& batch = builder.build(warm_up.step(num_tokens));
    warm_up.finish(batch);
    for (const SamplingRow& row : batch.rows) EXPECT_EQ(row.sequence, 0u) << num_tokens;
  }
}

}  // namespace
}  // namespace ember
