// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include "kernels/gemm_case.h"

namespace ember::kernels {
namespace {

class Gemm : public testing::TestWithParam<std::tuple<int, DType>> {
 protected:
  const int sm_ = std::get<0>(GetParam());
  const DType dtype_ = std::get<1>(GetParam());
  const unsigned seed_ = std::random_device{}();

  void SetUp() override {
    RecordProperty("seed", std::to_string(seed_));
    emu::configure({.seed = seed_, .stall = 24});
  }

  void check(GemmCase c) {
    c.sm = sm_;
    c.dtype = dtype_;
    SCOPED_TRACE(testing::Message()
                 << c.tokens << " tokens, " << c.out << " x " << c.in << ", epilogue "
                 << static_cast<int>(c.epilogue) << ", seed " << seed_);
    GemmRun run(c, seed_);
    run.run();
    EXPECT_EQ(run.problem(), "");
  }
};

INSTANTIATE_TEST_SUITE_P(
    , Gemm, testing::Combine(testing::Values(90, 80), testing::Values(DType::kF16, DType::kBF16)),
    [](const auto& i) {
      return "sm" + std::to_string(std::get<0>(i.param)) + name_of(std::get<1>(i.param));
    });

TEST_P(Gemm, EveryNumberOfTokensAroundEveryTile) {
  for (const int tokens : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257})
    check({.tokens = tokens, .out = 136, .in = 136});
}

TEST_P(Gemm, AnyNumberOfRowsAndBlocks) {
  for (const int out : {1, 7, 8, 15, 16, 17, 127, 128, 129, 255, 257})
    check({.tokens = 3, .out = out, .in = 72});
  for (const int in : {8, 56, 64, 72, 120, 128, 320, 384, 640})
    check({.tokens = 9, .out = 48, .in = in});
  check({.tokens = 70, .out = 257, .in = 328});
}

TEST_P(Gemm, EveryEpilogueWithAndWithoutBias) {
  for (const auto epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSiluMul,
                              Epilogue::kLogits, Epilogue::kGeluMul}) {
    for (const bool bias : {false, true}) {
      for (const int tokens : {1, 12, 130})
        check({.tokens = tokens,
               .out = 272,
               .in = 256,
               .epilogue = epilogue,
               .bias = bias,
               .scale = tokens == 12 ? 1.0f : 0.3f});
    }
  }
}

TEST_P(Gemm, SumsSplitOverClusters) {
  for (const int num_sms : {1, 4, 132}) {
    const auto wide = [&](GemmCase c) {
      c.num_sms = num_sms;
      check(c);
    };
    for (const int in : {512, 1024, 2056})
      wide({.tokens = 5, .out = 256, .in = in, .epilogue = Epilogue::kAdd, .bias = true});
    wide({.tokens = 25, .out = 136, .in = 1024, .epilogue = Epilogue::kAdd, .bias = true});
    wide({.tokens = 40, .out = 130, .in = 2048, .epilogue = Epilogue::kLogits});
    wide({.tokens = 100, .out = 130, .in = 2048, .epilogue = Epilogue::kStore});
    wide({.tokens = 130, .out = 144, .in = 1024, .epilogue = Epilogue::kAdd, .bias = true});
  }
}

// As many CTAs make the parts of a sum as the device has room for: one, two, or four.
TEST_P(Gemm, HowManyCtasMakeASumIsNotInItsBits) {
  for (const int tokens : {5, 12, 30, 50, 100}) {
    GemmCase c{.sm = sm_,
               .dtype = dtype_,
               .tokens = tokens,
               .out = 200,
               .in = 1160,
               .epilogue = Epilogue::kLogits,
               .num_sms = 132};
    GemmRun wide(c, seed_);
    wide.run();
    for (const int num_sms : {1, 2, 4, 6}) {
      c.num_sms = num_sms;
      GemmRun narrow(c, seed_);
      narrow.run();
      for (int t = 0; t < tokens; ++t)
        for (int n = 0; n < c.out; ++n)
          ASSERT_EQ(narrow.result(t, n), wide.result(t, n))
              << num_sms << " multiprocessors, " << tokens << " tokens, row " << t << " column "
              << n << ", seed " << seed_;
    }
  }
}

TEST_P(Gemm, MoreTokenTilesThanAGroup) { check({.tokens = 128 * 17 + 5, .out = 300, .in = 16}); }

TEST_P(Gemm, ManyTilesPerCta) {
  check({.tokens = 20, .out = 128 * 37, .in = 64, .epilogue = Epilogue::kLogits});
}

TEST_P(Gemm, ARowsBitsDoNotDependOnTheOthers) {
  for (const int in : {200, 576, 1032}) {  // sums of one part, of two, and of four
    const GemmCase all{.sm = sm_,
                       .dtype = dtype_,
                       .tokens = 260,
                       .out = 144,
                       .in = in,
                       .epilogue = Epilogue::kLogits,
                       .num_sms = 6};
    GemmRun whole(all, seed_);
    whole.run();
    for (const int tokens : {1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129}) {
      GemmCase fewer = all;
      fewer.tokens = tokens;
      GemmRun part(fewer, seed_);
      part.run();
      for (int t = 0; t < tokens; ++t) {
        for (int n = 0; n < all.out; ++n)
          ASSERT_EQ(part.result(t, n), whole.result(t, n))
              << in << " columns, " << tokens << " tokens, row " << t << " column " << n
              << ", seed " << seed_;
      }
    }
  }
}

TEST_P(Gemm, OneHotRowsPickColumns) {
  GemmRun run({.sm = sm_, .dtype = dtype_, .tokens = 17, .out = 129, .in = 200}, seed_);
  for (int t = 0; t < 17; ++t) {
    for (int k = 0; k < 200; ++k) run.x(t, k) = half_bits(dtype_, k == t * 11 ? 1.0f : 0.0f);
  }
  run.run();
  EXPECT_EQ(run.problem(), "");
}

TEST_P(Gemm, RandomShapes) {
  std::mt19937 random(seed_);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 8; ++round) {
    const auto epilogue = static_cast<Epilogue>(pick(0, 4));
    const int out = is_gated(epilogue) ? 16 * pick(1, 30) : pick(1, 500);
    check({.tokens = pick(1, 150),
           .out = out,
           .in = 8 * pick(1, 120),
           .epilogue = epilogue,
           .bias = pick(0, 1) == 1});
  }
}

TEST_P(Gemm, NoTokensIsNothing) {
  GemmRun run({.sm = sm_, .dtype = dtype_, .tokens = 0}, seed_);
  run.run();
  EXPECT_EQ(run.problem(), "");
}

TEST(GemmPlan, TheSplitFillsTheDeviceForLlama8b) {
  const StreamRef stream = emulator_stream(90, 132);
  alignas(16) static uint16_t weights[8];
  const auto split = [&](int out, int in) {
    return make_matrix(stream, weights, nullptr, DType::kF16, out, in).split;
  };
  EXPECT_EQ(split(6144, 4096), 2);
  EXPECT_EQ(split(4096, 4096), 4);
  EXPECT_EQ(split(28672, 4096), 1);
  EXPECT_EQ(split(4096, 14336), 4);
  EXPECT_EQ(split(128256, 4096), 1);
}

TEST(GemmPlan, WhatDoesNotExistIsNamed) {
  alignas(16) static uint16_t weights[8];
  const auto why = [&](int sm, DType dtype, int out, int in) -> std::string {
    try {
      make_matrix(emulator_stream(sm), weights, nullptr, dtype, out, in);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(why(75, DType::kF16, 8, 8).find("8.0 or later"), std::string::npos);
  EXPECT_NE(why(90, DType::kF32, 8, 8).find("float16 and bfloat16"), std::string::npos);
  EXPECT_NE(why(90, DType::kF16, 8, 12).find("multiple of 8 columns"), std::string::npos);
  EXPECT_EQ(why(90, DType::kF16, 8, 8), "");
}

}  // namespace
}  // namespace ember::kernels
