// SPDX-License-Identifier: Apache-2.0
// Blocks as gguf's reference reads them (scripts/make_gguf_reference.py), bit for bit.
#include "ember/model/dequantize.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace ember {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::vector<uint32_t> bits_of(const std::string& bytes) {
  std::vector<uint32_t> bits(bytes.size() / sizeof(uint32_t));
  std::memcpy(bits.data(), bytes.data(), bytes.size());
  return bits;
}

std::vector<uint32_t> dequantized(WeightFormat format, const std::string& bytes) {
  const WeightFormatInfo& block = info_of(format);
  const size_t columns = bytes.size() / static_cast<size_t>(block.block_bytes) *
                         static_cast<size_t>(block.block_weights);
  std::vector<float> floats(columns);
  dequantize(format, reinterpret_cast<const std::byte*>(bytes.data()),
             static_cast<int64_t>(columns), floats.data());
  std::vector<uint32_t> bits(columns);
  std::memcpy(bits.data(), floats.data(), columns * sizeof(float));
  return bits;
}

TEST(Dequantize, EveryTypeOfBlockEqualsTheReference) {
  const auto rows = nlohmann::json::parse(
      std::ifstream(std::string(EMBER_SOURCE_DIR) + "/tests/data/gguf_blocks.json"));
  size_t compared = 0;
  for (size_t i = 0; i < std::size(kWeightFormats); ++i) {
    const auto format = static_cast<WeightFormat>(i);
    if (!rows.contains(name_of(format))) continue;
    SCOPED_TRACE(name_of(format));
    const auto& row = rows[name_of(format)];
    const std::string bytes = from_hex(row["bytes"]);
    EXPECT_TRUE(can_dequantize(format));
    EXPECT_EQ(dequantized(format, bytes), bits_of(from_hex(row["floats"])));
    ++compared;
  }
  EXPECT_EQ(compared, 11u);
}

// The reference above has no MXFP4: a power of two times a number of four bits (e2m1).
TEST(Dequantize, MxFp4HasTheValuesOfItsDefinition) {
  constexpr float kE2M1[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (const int e : {0, 1, 2, 127, 128, 200}) {
    std::string bytes(1, static_cast<char>(e));
    for (int j = 0; j < 16; ++j) bytes += static_cast<char>(j | (15 - j) << 4);
    std::vector<float> weights(32);
    dequantize(WeightFormat::kMXFP4, reinterpret_cast<const std::byte*>(bytes.data()), 32,
               weights.data());
    for (int j = 0; j < 32; ++j) {
      const int q = j < 16 ? j : 31 - j;
      const double expected =
          std::ldexp(static_cast<double>(kE2M1[q % 8]) * (q < 8 ? 1 : -1), e - 127);
      EXPECT_EQ(weights[static_cast<size_t>(j)], static_cast<float>(expected)) << e << " " << j;
    }
  }
}

TEST(Dequantize, PlainNumbersAreThemselves) {
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x0001};
  const std::string bytes(reinterpret_cast<const char*>(halves.data()), 6);
  std::vector<float> floats(3);
  dequantize(WeightFormat::kF16, reinterpret_cast<const std::byte*>(bytes.data()), 3,
             floats.data());
  EXPECT_EQ(floats, (std::vector<float>{1, -2, 0x1p-24f}));
}

TEST(Dequantize, FormatsWithScalesApartAreNotRead) {
  EXPECT_FALSE(can_dequantize(WeightFormat::kInt4));
  EXPECT_FALSE(can_dequantize(WeightFormat::kF8E4M3));
  EXPECT_TRUE(can_dequantize(WeightFormat::kBF16));
}

}  // namespace
}  // namespace ember
