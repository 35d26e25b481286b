// SPDX-License-Identifier: Apache-2.0
#include "ember/model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ember {
namespace {

TEST(Rope, RowsAreCosinesThenSines) {
  const std::vector<float> table = rope_table({.theta = 100, .rotary_dim = 4}, 3);
  ASSERT_EQ(table.size(), 12u);
  const double angles[] = {2.0, 0.2};  // position 2 times 100^0 and 100^(-2/4)
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(table[8 + i], std::cos(angles[i]), 1e-6);
    EXPECT_NEAR(table[10 + i], std::sin(angles[i]), 1e-6);
    EXPECT_EQ(table[i], 1);
    EXPECT_EQ(table[2 + i], 0);
  }
}

TEST(Rope, LinearScalingStretchesPositions) {
  const RopeConfig plain{.rotary_dim = 8};
  RopeConfig linear = plain;
  linear.scaling = RopeScaling::kLinear;
  linear.factor = 4;
  const std::vector<float> a = rope_table(plain, 4), b = rope_table(linear, 13);
  for (size_t p = 0; p < 4; ++p)
    for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(a[8 * p + i], b[8 * 4 * p + i], 1e-6);
}

// One base for the longest text, as vLLM reads it: neither the position nor the table's length
// changes it.
TEST(Rope, DynamicScalingHasTheBaseOfTheLongestText) {
  RopeConfig dynamic{.rotary_dim = 8};
  dynamic.scaling = RopeScaling::kDynamic;
  dynamic.factor = 2;
  dynamic.original_max_position = 16;
  RopeConfig plain{.rotary_dim = 8};
  plain.theta = 10000 * std::pow(2.0 * 32 / 16 - 1, 8.0 / 6);  // for a text of 32
  const std::vector<float> table = rope_table(dynamic, 40), shorter = rope_table(dynamic, 20);
  EXPECT_EQ(table, rope_table(plain, 40));
  for (size_t i = 0; i < shorter.size(); ++i) EXPECT_EQ(shorter[i], table[i]);
}

TEST(Rope, Llama3KeepsShortWavesAndStretchesLongOnes) {
  const RopeConfig rope{.theta = 500000,
                        .rotary_dim = 128,
                        .scaling = RopeScaling::kLlama3,
                        .factor = 8,
                        .original_max_position = 8192};
  const std::vector<float> table = rope_table(rope, 2);
  const auto angle = [&](size_t i) { return std::asin(table[128 + 64 + i]); };
  const auto plain = [](int i) { return std::pow(500000.0, -i / 64.0); };
  EXPECT_NEAR(angle(10), plain(10), 1e-6);
  EXPECT_NEAR(angle(63) / (plain(63) / 8), 1, 1e-5);
}

TEST(Rope, YarnMultipliesByItsAttentionFactor) {
  RopeConfig rope{
      .rotary_dim = 8, .scaling = RopeScaling::kYarn, .factor = 4, .original_max_position = 32};
  EXPECT_NEAR(rope_table(rope, 1)[0], 0.1 * std::log(4.0) + 1, 1e-6);
  rope.mscale = 1, rope.mscale_all_dim = 0.5;
  EXPECT_NEAR(rope_table(rope, 1)[0], (0.1 * std::log(4.0) + 1) / (0.05 * std::log(4.0) + 1), 1e-6);
  rope.attention_factor = 1.25;
  EXPECT_NEAR(rope_table(rope, 1)[0], 1.25, 1e-6);
}

TEST(Rope, LongropeTakesTheLongFactorsForLongSequencesFromTheirFirstPositionOn) {
  RopeConfig rope{.rotary_dim = 4,
                  .scaling = RopeScaling::kLongRope,
                  .factor = 4,
                  .original_max_position = 32,
                  .divisors = {1, 2},
                  .long_divisors = {4, 8}};
  const double factor = std::sqrt(1 + std::log(4.0) / std::log(32.0));
  for (const auto& [positions, first, second] :
       {std::tuple(32, 1.0, 2.0), {33, 4.0, 8.0}, {64, 4.0, 8.0}}) {
    const std::vector<float> table = rope_table(rope, positions);
    EXPECT_NEAR(table[4 + 2], factor * std::sin(1 / first), 1e-6) << positions;
    EXPECT_NEAR(table[4 + 3], factor * std::sin(0.01 / second), 1e-6) << positions;
  }
  rope.attention_factor = 1.5;
  EXPECT_NEAR(rope_table(rope, 8)[0], 1.5, 1e-6);
  rope.attention_factor.reset();
  rope.factor = 1;
  EXPECT_EQ(rope_table(rope, 8)[0], 1);
}

}  // namespace
}  // namespace ember
