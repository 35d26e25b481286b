// SPDX-License-Identifier: Apache-2.0
// The models of attention, by cases that can be worked out by hand.
#include "kernels/bench/predict_attention.h"

#include <gtest/gtest.h>

namespace ember::kernels::bench {
namespace {

AttentionShape shape_of(int heads, int kv_heads) {
  return {.num_heads = heads,
          .num_kv_heads = kv_heads,
          .head_dim = 128,
          .scale = 1,
          .max_seqs = 256,
          .max_tokens = 8192,
          .max_model_len = 32768};
}

TEST(PredictAttention, ADecodeReadsTheSixteensThatItSees) {
  const KernelModel k = model_decode(kH100, shape_of(32, 8), 64, 129);
  EXPECT_EQ(k.bytes_dram, 64.0 * 8 * 144 * 128 * 2 * 2);
  EXPECT_EQ(k.bytes_l2, k.bytes_dram) << "no partial results";
  EXPECT_EQ(k.blocks, 64 * 8);
  EXPECT_STREQ(predict(kH100, model_decode(kH100, shape_of(32, 8), 64, 1024)).bound, "memory");
}

TEST(PredictAttention, AWideGroupReadsItsKeysOnce) {
  const KernelModel k = model_decode(kH100, shape_of(32, 2), 64, 200);
  EXPECT_EQ(k.bytes_dram, 64.0 * 2 * 208 * 128 * 2 * 2);
  EXPECT_EQ(k.bytes_l2, k.bytes_dram);
}

TEST(PredictAttention, PrefillIsBoundByTheTensorCoresAndAFewQueriesByNoSingleOne) {
  const KernelModel prompt = model_prefill(kH100, shape_of(32, 8), 1, 8192, 8192);
  EXPECT_STREQ(predict(kH100, prompt).bound, "tensor cores");
  EXPECT_EQ(prompt.blocks, 256 * 8);
  const KernelModel turn = model_prefill(kH100, shape_of(32, 8), 1, 50, 30000);
  EXPECT_EQ(turn.blocks, 2 * 8 * 8) << "two tiles of queries, eight pieces of keys";
}

}  // namespace
}  // namespace ember::kernels::bench
