#include "ember/engine/batch_builder.h"

#include <gtest/gtest.h>

#include "ember/backend/cpu/cpu_backend.h"

namespace ember {
namespace {

std::vector<int32_t> values(const Tensor& tensor) { return {tensor.as<int32_t>(), tensor.as<int32_t>() + tensor.elements()}; }

TEST(BatchBuilder, FlattensDecodesAndPrefills) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  BatchBuilder builder(*backend, {.max_tokens = 16, .max_seqs = 4, .max_logit_rows = 8, .max_blocks = 5, .block_size = 4});
  Sequence decode, prefill;
  decode.request.prompt = {1, 2, 3, 4, 5};
  decode.request.stop_token_ids = {9};
  decode.request.min_tokens = 3;
  decode.tokens = {1, 2, 3, 4, 5, 6};
  decode.block_table = {7, 3};
  prefill.request.prompt = {11, 12, 13, 14};
  prefill.request.num_logprobs = 2;
  prefill.tokens = prefill.request.prompt;
  prefill.block_table = {0};
  Step step;
  step.seqs.push_back({.seq = &decode, .first_position = 5, .num_tokens = 1, .first_row_position = 5, .num_logit_rows = 1, .samples = true});
  step.seqs.push_back({.seq = &prefill, .first_position = 1, .num_tokens = 2, .first_row_position = 1, .num_logit_rows = 2, .samples = false});
  step.num_tokens = 3;
  step.num_logit_rows = 3;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const BatchView& batch = builder.build(step);
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
    const std::vector<SamplingRow>& rows = builder.sampling_rows();
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].position, 6);
    EXPECT_EQ(rows[0].given_token, -1);
    EXPECT_EQ(std::vector<int32_t>(rows[0].output.begin(), rows[0].output.end()), (std::vector<int32_t>{6}));
    EXPECT_EQ(rows[0].banned.size(), 1u);  // one of three tokens there must be before a stop
    EXPECT_EQ(rows[1].given_token, 13);
    EXPECT_EQ(rows[2].given_token, 14);
    EXPECT_EQ(rows[1].num_logprobs, 2);
  }
}

}  // namespace
}  // namespace ember
