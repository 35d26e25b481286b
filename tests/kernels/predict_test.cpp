// SPDX-License-Identifier: Apache-2.0
// The models' arithmetic, by cases that can be worked out by hand.
#include "kernels/bench/predict.h"

#include <gtest/gtest.h>

#include "kernels/bench/predict_gemm.h"

namespace ember::kernels::bench {
namespace {

constexpr DeviceModel kDevice{"a device", 100, 1e9, 1e12, 4e12, 1e-6, 4096};

TEST(Predict, TheLongestLimitIsTheBound) {
  KernelModel k{.bytes_dram = 1e9,
                .bytes_l2 = 1e9,
                .bytes_smem = 1e6,
                .flops = 1e6,
                .blocks = 200,
                .blocks_per_sm = 2,
                .block_bytes_in_flight = 1e5,
                .fixed_us = 2};
  EXPECT_STREQ(predict(kDevice, k).bound, "memory");
  EXPECT_NEAR(predict(kDevice, k).us, 1002, 1e-6);
  k.block_bytes_in_flight = 1e3;  // 200 kB in flight: 0.2 TB/s
  EXPECT_NEAR(predict(kDevice, k).us, 5002, 1e-6);
  k.bytes_dram = 0;
  EXPECT_STREQ(predict(kDevice, k).bound, "L2");
  k.blocks = 1;  // one multiprocessor takes 64 bytes per clock
  EXPECT_NEAR(predict(kDevice, k).us, 1e9 / 64e9 * 1e6 + 2, 1e-3);
  k.bytes_l2 = 0;
  EXPECT_STREQ(predict(kDevice, k).bound, "shared memory");
  k.flops = 1e12;
  EXPECT_STREQ(predict(kDevice, k).bound, "tensor cores");
}

TEST(Predict, AProductReadsItsWeightsOnceAndMoreTokensFromL2) {
  const KernelModel one = model_gemm(kH100, 4096, 4096, 1, Epilogue::kStore),
                    many = model_gemm(kH100, 4096, 4096, 64, Epilogue::kStore);
  EXPECT_EQ(one.bytes_dram, 2.0 * 4096 * 4096);
  EXPECT_EQ(one.blocks, 64 * 4);
  EXPECT_EQ(one.bytes_l2, one.bytes_dram + 64 * 2.0 * 4096 + 2 * 4096);
  EXPECT_EQ(many.bytes_dram, one.bytes_dram);
  EXPECT_EQ(many.blocks, 32 * 2);
  EXPECT_EQ(many.bytes_l2, one.bytes_dram + 16 * 2.0 * 64 * 4096 + 2.0 * 64 * 4096);
  EXPECT_STREQ(predict(kH100, one).bound, "memory");
}

}  // namespace
}  // namespace ember::kernels::bench
