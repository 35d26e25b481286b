// SPDX-License-Identifier: Apache-2.0
// That rows come back as the format defines them is shown by the model layer, which has the
// definition (tests/model/quantized_rows_test.cpp).
#include "cpu/quantized_linear.h"

#include "backend/cpu/quantized_cases.h"

namespace ember::cpu {
namespace {

double bits_of_a_weight(WeightFormat format) {
  return static_cast<double>(panels_bytes(format, 64, 512)) * 8 / (64 * 512);
}

TEST(QuantizedLinear, TakesTheMemoryThatItIsDocumentedWith) {
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ4_0), 4.5);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ4_1), 5);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ5_0), 5.5);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ5_1), 6);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ8_0), 8.5);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ4_K), 4.625);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ5_K), 5.625);
  EXPECT_EQ(bits_of_a_weight(WeightFormat::kQ6_K), 6.5625);
  for (const WeightFormat format : kQuantizedFormats) {
    EXPECT_TRUE(has_panels(format));
    EXPECT_EQ(panels_bytes(format, 33, 256), panels_bytes(format, 64, 256)) << "of 32 outputs";
    EXPECT_EQ(panels_bytes(format, 32, 256) % 64, 0u);
  }
  EXPECT_FALSE(has_panels(WeightFormat::kF16));
  EXPECT_FALSE(has_panels(WeightFormat::kQ2_K));
}

TEST(QuantizedLinear, EveryRowComesBack) {
  std::mt19937_64 random(1);
  for (const WeightFormat format : kQuantizedFormats) {
    const PanelLayout l = panel_layout(format);
    const QuantizedMatrix m(format, 37, 512, random);
    std::vector<float> row(512);
    for (int64_t n = 0; n < m.out; ++n) {
      unpack_panel_row(format, m.panels.data(), m.in, n, row.data());
      for (int64_t k = 0; k < m.in; ++k) {
        const BlockCodes block = read_codes(format, m.row(n), k / 32);
        const uint8_t byte = block.scale_factors[k % 32 / 16];
        const float factor = l.signed_scales ? static_cast<float>(static_cast<int8_t>(byte))
                             : l.superblocks ? static_cast<float>(byte)
                                             : 1.0f;
        const float minimum = f16_to_float(block.minimum) *
                              (l.superblocks ? -static_cast<float>(block.minimum_factor) : 1.0f);
        const float weight =
            f16_to_float(block.scale) * factor * static_cast<float>(block.codes[k % 32] - l.zero);
        ASSERT_EQ(row[static_cast<size_t>(k)], l.minimum ? weight + minimum : weight)
            << name_of(format) << " " << n << " " << k;
      }
    }
  }
}

}  // namespace
}  // namespace ember::cpu
