// SPDX-License-Identifier: Apache-2.0
#include "ember/base/weight_format.h"

#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>

namespace ember {
namespace {

constexpr size_t kNumFormats = static_cast<size_t>(WeightFormat::kInt8) + 1;

TEST(WeightFormat, EveryFormatHasOneRowAndANameOfItsOwn) {
  ASSERT_EQ(std::size(kWeightFormats), kNumFormats);
  std::set<std::string> names;
  for (const WeightFormatInfo& format : kWeightFormats) names.insert(format.name);
  EXPECT_EQ(names.size(), kNumFormats);
}

TEST(WeightFormat, PlainNumbersAreElementTypesAndBack) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const WeightFormat format = format_of(dtype);
    EXPECT_EQ(dtype_of(format), dtype);
    EXPECT_STREQ(name_of(format), name_of(dtype));
    EXPECT_EQ(row_bytes(format, 7), 7 * size_of(dtype));
  }
  EXPECT_EQ(dtype_of(WeightFormat::kQ4_0), std::nullopt);
  EXPECT_EQ(dtype_of(WeightFormat::kF8E4M3), std::nullopt);
}

// By what a block holds: its scales (float16 d, m; bytes of K types) and its bits.
TEST(WeightFormat, BlocksHaveTheBytesOfTheirParts) {
  const auto bytes = [](WeightFormat format) { return row_bytes(format, 512); };
  EXPECT_EQ(bytes(WeightFormat::kQ4_0), 16u * (2 + 16));
  EXPECT_EQ(bytes(WeightFormat::kQ4_1), 16u * (4 + 16));
  EXPECT_EQ(bytes(WeightFormat::kQ5_0), 16u * (2 + 4 + 16));
  EXPECT_EQ(bytes(WeightFormat::kQ5_1), 16u * (4 + 4 + 16));
  EXPECT_EQ(bytes(WeightFormat::kQ8_0), 16u * (2 + 32));
  EXPECT_EQ(bytes(WeightFormat::kQ2_K), 2u * (16 + 64 + 4));
  EXPECT_EQ(bytes(WeightFormat::kQ3_K), 2u * (32 + 64 + 12 + 2));
  EXPECT_EQ(bytes(WeightFormat::kQ4_K), 2u * (4 + 12 + 128));
  EXPECT_EQ(bytes(WeightFormat::kQ5_K), 2u * (4 + 12 + 32 + 128));
  EXPECT_EQ(bytes(WeightFormat::kQ6_K), 2u * (128 + 64 + 16 + 2));
  EXPECT_EQ(bytes(WeightFormat::kIQ4_NL), 16u * (2 + 16));
  EXPECT_EQ(bytes(WeightFormat::kMXFP4), 16u * (1 + 16));
  EXPECT_EQ(bytes(WeightFormat::kInt4), 256u);
  EXPECT_EQ(bytes(WeightFormat::kF8E4M3), 512u);
}

}  // namespace
}  // namespace ember
