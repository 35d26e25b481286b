// SPDX-License-Identifier: Apache-2.0
#include "ember/base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

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

TEST(Dtype, ElementsAreReadAtAnyAddress) {
  std::vector<unsigned char> bytes(1 + 3 * sizeof(float));
  const float floats[] = {1.5f, -2.0f, 0x1p-20f};
  std::memcpy(bytes.data() + 1, floats, sizeof floats);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(element_to_float(DType::kF32, bytes.data() + 1, i), floats[i]);
  const uint16_t halves[] = {float_to_f16(0.5f), float_to_f16(-3.0f)};
  std::memcpy(bytes.data() + 1, halves, sizeof halves);
  EXPECT_EQ(element_to_float(DType::kF16, bytes.data() + 1, 1), -3.0f);
  const uint16_t bfloats[] = {float_to_bf16(0.5f), float_to_bf16(-3.0f)};
  std::memcpy(bytes.data() + 1, bfloats, sizeof bfloats);
  EXPECT_EQ(element_to_float(DType::kBF16, bytes.data() + 1, 1), -3.0f);
}

}  // namespace
}  // namespace ember
