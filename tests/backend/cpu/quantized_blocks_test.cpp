// SPDX-License-Identifier: Apache-2.0
#include "cpu/quantized_blocks.h"

#include <gtest/gtest.h>

#include <vector>

namespace ember::cpu {
namespace {

std::vector<std::byte> counted(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 37 + 11);
  return bytes;
}

int at(const std::vector<std::byte>& bytes, size_t i) { return static_cast<int>(bytes.at(i)); }

TEST(QuantizedBlocks, BlocksOf32HoldTheirScalesAndCodes) {
  const std::vector<std::byte> bytes = counted(size_t{2} * 34);
  const BlockCodes eight = read_codes(WeightFormat::kQ8_0, bytes.data(), 1);
  EXPECT_EQ(eight.scale, at(bytes, 34) | at(bytes, 35) << 8);
  EXPECT_EQ(eight.codes[5], (at(bytes, 41) + 128) % 256) << "128 more, so that none is negative";
  const BlockCodes four = read_codes(WeightFormat::kQ4_1, bytes.data(), 1);
  EXPECT_EQ(four.scale, at(bytes, 20) | at(bytes, 21) << 8);
  EXPECT_EQ(four.minimum, at(bytes, 22) | at(bytes, 23) << 8);
  EXPECT_EQ(four.codes[3], at(bytes, 27) & 15);
  EXPECT_EQ(four.codes[19], at(bytes, 27) >> 4);
  const BlockCodes five = read_codes(WeightFormat::kQ5_0, bytes.data(), 0);
  EXPECT_EQ(five.codes[20], at(bytes, 6 + 4) >> 4 | (at(bytes, 2 + 2) >> 4 & 1) << 4);
}

TEST(QuantizedBlocks, SubBlocksOf256HaveFactorsOfTheirOwn) {
  const std::vector<std::byte> bytes = counted(size_t{2} * 210);
  const BlockCodes four = read_codes(WeightFormat::kQ4_K, bytes.data(), 8 + 1);
  EXPECT_EQ(four.scale, at(bytes, 144) | at(bytes, 145) << 8);
  EXPECT_EQ(four.scale_factors[0], at(bytes, 144 + 4 + 1) & 63);
  EXPECT_EQ(four.scale_factors[1], four.scale_factors[0]);
  EXPECT_EQ(four.minimum_factor, at(bytes, 144 + 4 + 5) & 63);
  EXPECT_EQ(four.codes[2], at(bytes, 144 + 16 + 2) >> 4) << "the high nibbles of the first 32";
  const BlockCodes last = read_codes(WeightFormat::kQ5_K, bytes.data(), 7);
  EXPECT_EQ(last.scale_factors[0], (at(bytes, 4 + 11) & 15) | (at(bytes, 4 + 3) >> 6) << 4);
  EXPECT_EQ(last.minimum_factor, at(bytes, 4 + 11) >> 4 | (at(bytes, 4 + 7) >> 6) << 4);
  EXPECT_EQ(last.codes[0], at(bytes, 48 + 96) >> 4 | (at(bytes, 16) >> 7 & 1) << 4);
  const BlockCodes six = read_codes(WeightFormat::kQ6_K, bytes.data(), 8 + 6);
  EXPECT_EQ(six.scale, at(bytes, 210 + 208) | at(bytes, 210 + 209) << 8);
  EXPECT_EQ(six.scale_factors[1], at(bytes, 210 + 192 + 13));
  EXPECT_EQ(six.codes[9], at(bytes, 210 + 64 + 9) >> 4 | (at(bytes, 210 + 128 + 32 + 9) >> 4 & 3)
                                                             << 4);
}

}  // namespace
}  // namespace ember::cpu
