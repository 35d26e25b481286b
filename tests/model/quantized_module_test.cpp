// SPDX-License-Identifier: Apache-2.0
#include "quantized_module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace ember {
namespace {

using testing::ElementsAre;

template <class Word>
const std::byte* bytes_of(const std::vector<Word>& words) {
  return reinterpret_cast<const std::byte*>(words.data());
}

TEST(Codes, LieInTheirOrder) {
  const std::vector<uint32_t> words = {0x76543210u, 0xfedcba98u};
  const auto row = [&](Codes::Order order, int bits, int64_t columns) {
    const Codes codes{.data = bytes_of(words), .bits = bits, .order = order, .columns = columns};
    std::vector<uint32_t> of_row;
    for (int64_t k = 0; k < 8; ++k)
      of_row.push_back(order == Codes::Order::kAlongColumn ? codes.at(k, 1) : codes.at(0, k));
    return of_row;
  };
  EXPECT_THAT(row(Codes::Order::kAlongRow, 4, 16), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(row(Codes::Order::kAwq, 4, 16), ElementsAre(0, 4, 1, 5, 2, 6, 3, 7));
  EXPECT_THAT(row(Codes::Order::kAlongColumn, 4, 2), ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
  EXPECT_THAT(row(Codes::Order::kBytes, 8, 8),
              ElementsAre(0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe));
}

// 0 was stored as 15 and took one off its neighbour.
TEST(Codes, AnAddendIsAddedToWholeWords) {
  const std::vector<uint32_t> words = {0x87654320u - 0x11111111u};
  const Codes codes{.data = bytes_of(words),
                    .bits = 4,
                    .order = Codes::Order::kAlongRow,
                    .columns = 8,
                    .addend = 0x11111111u};
  for (int64_t k = 0; k < 8; ++k) EXPECT_EQ(codes.at(0, k), 0x87654320u >> (4 * k) & 15) << k;
}

TEST(E4m3, HasTheNumbersOfItsDefinition) {
  const CodeValues& values = e4m3_numbers();
  EXPECT_EQ(values[0x00], 0.0f);
  EXPECT_EQ(values[0x01], std::ldexp(1.0f, -9));
  EXPECT_EQ(values[0x07], std::ldexp(7.0f, -9));
  EXPECT_EQ(values[0x08], std::ldexp(1.0f, -6));
  EXPECT_EQ(values[0x38], 1.0f);
  EXPECT_EQ(values[0x7e], 448.0f);
  EXPECT_EQ(values[0xfe], -448.0f);
  EXPECT_TRUE(std::isnan(values[0x7f]));
  EXPECT_TRUE(std::isnan(values[0xff]));
  for (size_t code = 1; code < 0x7f; ++code) {
    EXPECT_GT(values[code], values[code - 1]);
    EXPECT_EQ(values[code + 0x80], -values[code]);
  }
}

// Two rows of 32 codes 0 1 2 ... 15 0 1 ..., scales 0.5 and 2, zero points 8.
class TwoRows : public testing::Test {
 protected:
  void SetUp() override {
    module_.rows = 2;
    module_.columns = 32;
    module_.groups = 1;
    module_.group_of_column.assign(32, 0);
    module_.codes = {
        .data = bytes_of(words_), .bits = 4, .order = Codes::Order::kAlongRow, .columns = 32};
    module_.scales = {.data = scales_.data(), .row_stride = 1, .count = 2};
    module_.zeros.constant = 8;
  }

  const std::vector<uint32_t> words_ = {0x76543210u, 0xfedcba98u, 0x76543210u, 0xfedcba98u,
                                        0x76543210u, 0xfedcba98u, 0x76543210u, 0xfedcba98u};
  std::vector<float> scales_ = {0.5f, 2.0f};
  QuantizedModule module_;
};

TEST_F(TwoRows, AreScaleTimesCodeLessZeroPoint) {
  std::vector<float> rows(64);
  module_.read(0, 2, rows.data());
  for (size_t i = 0; i < 64; ++i)
    EXPECT_EQ(rows[i], (i < 32 ? 0.5f : 2.0f) * (static_cast<float>(i % 16) - 8)) << i;
}

TEST_F(TwoRows, BlocksShareBytesSixteenWeightsApart) {
  std::vector<uint8_t> block(18);
  EXPECT_FALSE(module_.read_blocks(WeightFormat::kQ4_0, 1, 1, block.data()));
  EXPECT_EQ(block[0] | block[1] << 8, float_to_f16(2.0f));
  for (size_t j = 0; j < 16; ++j) EXPECT_EQ(block[2 + j], 0x11 * j);
  std::vector<uint8_t> bytes(34);
  EXPECT_FALSE(module_.read_blocks(WeightFormat::kQ8_0, 0, 1, bytes.data()));
  EXPECT_EQ(static_cast<int8_t>(bytes[2]), -8);
  EXPECT_EQ(static_cast<int8_t>(bytes[33]), 7);
}

// What README.md says of the float16 in blocks: no more than that, and no less.
TEST(QuantizedModule, RoundingToBlocksCostsNoMoreThanIsSaid) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> exponent(-14, 11);
  constexpr int64_t kRows = 1 << 16;
  std::vector<float> scales;
  std::vector<uint8_t> zeros;
  for (int64_t r = 0; r < kRows; ++r) {
    scales.push_back(std::exp2(exponent(random)));
    zeros.push_back(static_cast<uint8_t>(random() % 16));
  }
  const std::vector<uint8_t> codes(kRows * 32, 0);
  QuantizedModule module;
  module.rows = kRows;
  module.columns = 32;
  module.groups = 1;
  module.group_of_column.assign(32, 0);
  module.codes = {.data = bytes_of(codes), .columns = 32};
  module.scales = {.data = scales.data(), .row_stride = 1, .count = kRows};
  module.zeros.codes = {.data = bytes_of(zeros), .columns = 1};
  std::vector<uint8_t> blocks(kRows * 20);
  ASSERT_FALSE(module.read_blocks(WeightFormat::kQ4_1, 0, kRows, blocks.data()));
  double worst_scale = 0, worst_minimum = 0, worst_step = 0;
  for (size_t r = 0; r < kRows; ++r) {
    const double scale = scales[r], minimum = -scale * zeros[r];
    const auto half = [&](size_t i) { return double{f16_at(blocks.data() + 20 * r + 2 * i)}; };
    worst_scale = std::max(worst_scale, std::abs(half(0) - scale) / scale);
    if (zeros[r] != 0)
      worst_minimum = std::max(worst_minimum, std::abs(half(1) - minimum) / -minimum);
    worst_step = std::max(worst_step, std::abs(half(1) - minimum) / scale);
  }
  const auto expect_reached = [](double worst, double bound) {
    EXPECT_LE(worst, bound);
    EXPECT_GT(worst, 0.9 * bound);
  };
  expect_reached(worst_scale, 0x1p-11);
  expect_reached(worst_minimum, 0x1p-11);
  expect_reached(worst_step, 15 * 0x1p-11);
  EXPECT_NEAR(15 * 0x1p-11, 0.0073, 0.00005);
}

TEST(QuantizedModule, ScalesOfSixteenBitsAreKept) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float scale = bf16_to_float(static_cast<uint16_t>(bits)), magnitude = std::abs(scale);
    if (!(magnitude >= 0x1p-17f && magnitude <= 65504)) continue;
    ASSERT_EQ(f16_to_float(float_to_f16(scale)), scale);
  }
  const float below = 0x1.02p-18f;
  EXPECT_EQ(bf16_to_float(float_to_bf16(below)), below);
  EXPECT_NE(f16_to_float(float_to_f16(below)), below);
}

TEST_F(TwoRows, AScaleTooLargeForABlockIsReturned) {
  scales_[1] = 70000;
  std::vector<uint8_t> blocks(36);
  EXPECT_EQ(module_.read_blocks(WeightFormat::kQ4_0, 0, 2, blocks.data()), 70000);
}

TEST_F(TwoRows, InfiniteScalesAreNotFinite) {
  module_.scales_name = "m.scales";
  EXPECT_EQ(module_.non_finite(), "");
  scales_[1] = INFINITY;
  EXPECT_EQ(module_.non_finite(), "m.scales");
}

}  // namespace
}  // namespace ember
