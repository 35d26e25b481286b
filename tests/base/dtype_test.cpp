// SPDX-License-Identifier: Apache-2.0
#include "ember/base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ember {
namespace {

TEST(Dtype, EveryHalfSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = f16_to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(value)))) << bits;
    } else {
      EXPECT_EQ(float_to_f16(value), half) << bits;
    }
  }
}

TEST(Dtype, EveryBfloatSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = bf16_to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(value)))) << bits;
    } else {
      EXPECT_EQ(float_to_bf16(value), half) << bits;
    }
  }
}

TEST(Dtype, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(float_to_f16(1.0f + 0x1p-11f), float_to_f16(1.0f));            // a tie: down to even
  EXPECT_EQ(float_to_f16(1.0f + 0x3p-11f), float_to_f16(1.0f + 0x1p-9f));  // a tie: up to even
  EXPECT_EQ(float_to_f16(1.0f + 0x1.01p-11f), float_to_f16(1.0f + 0x1p-10f));
  EXPECT_EQ(float_to_f16(0x1p-25f), 0);  // a tie between 0 and the smallest subnormal
  EXPECT_EQ(float_to_f16(0x1.01p-25f), 1);
  EXPECT_EQ(float_to_f16(65519.0f), 0x7bff);  // the largest finite half
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(float_to_bf16(1.0f + 0x1p-8f), float_to_bf16(1.0f));
  EXPECT_EQ(float_to_bf16(1.0f + 0x3p-8f), float_to_bf16(1.0f + 0x1p-6f));
}

}  // namespace
}  // namespace ember
