// SPDX-License-Identifier: Apache-2.0
// A matrix of quantised weights, and what its products are defined to be.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "backend/cpu/leaf_cases.h"
#include "cpu/quantized_blocks.h"
#include "cpu/quantized_kernels.h"
#include "cpu/quantized_layout.h"
#include "cpu/quantized_linear.h"
#include "ember/base/dtype.h"

namespace ember::cpu {

inline constexpr WeightFormat kQuantizedFormats[] = {
    WeightFormat::kQ4_0, WeightFormat::kQ4_1, WeightFormat::kQ5_0, WeightFormat::kQ5_1,
    WeightFormat::kQ8_0, WeightFormat::kQ4_K, WeightFormat::kQ5_K, WeightFormat::kQ6_K};

// Rows of blocks with random codes and factors, and small float16 scales of either sign.
inline std::vector<std::byte> random_blocks(WeightFormat format, int64_t rows, int64_t columns,
                                            std::mt19937_64& random) {
  std::vector<std::byte> bytes(static_cast<size_t>(rows) * row_bytes(format, columns));
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  const PanelLayout l = panel_layout(format);
  const auto block = static_cast<size_t>(info_of(format).block_bytes);
  std::uniform_real_distribution<float> scale(0.002f, 0.05f);
  for (size_t at = 0; at < bytes.size(); at += block)
    for (size_t i = 0; i < (l.minimum ? 2u : 1u); ++i) {
      const float sign = random() % 2 == 0 ? 1.0f : -1.0f;
      const uint16_t bits = float_to_f16(sign * scale(random));
      const size_t where = format == WeightFormat::kQ6_K ? 208 : 2 * i;
      std::memcpy(bytes.data() + at + where, &bits, sizeof bits);
    }
  return bytes;
}

struct QuantizedMatrix {
  QuantizedMatrix(WeightFormat f, int64_t outputs, int64_t inputs, std::mt19937_64& random)
      : format(f),
        out(outputs),
        in(inputs),
        rows(random_blocks(f, out, in, random)),
        panels(panels_bytes(f, out, in), std::byte{0}) {
    pack();
    for (int64_t i = 0; i < (out + 31) / 32 * 32; ++i)
      bias.push_back(static_cast<float>(random() % 2001) * 1e-3f - 1);
    if (random() % 4 != 0) scale = static_cast<float>(random() % 4001) * 1e-3f - 2;
  }
  void pack() {
    for (int64_t n = 0; n < out; n += 32) {
      std::vector<const std::byte*> sources;
      for (int64_t i = n; i < std::min(out, n + 32); ++i) sources.push_back(row(i));
      pack_panel(format, sources, in, panels.data(), n / 32);
    }
  }
  // Of the float16s in front of a block.
  size_t scale_bytes() const {
    return format == WeightFormat::kQ6_K ? 0 : panel_layout(format).minimum ? 4 : 2;
  }
  const std::byte* row(int64_t n) const {
    return rows.data() + static_cast<size_t>(n) * row_bytes(format, in);
  }

  WeightFormat format;
  int64_t out, in;
  std::vector<std::byte> rows, panels;
  std::vector<float> bias;
  float scale = 1;  // of the product, as Linear::scale
};

inline std::vector<float> random_inputs(int64_t count, std::mt19937_64& random) {
  std::vector<float> x(static_cast<size_t>(count));
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = normal(random) * (i / 32 % 5 == 4 ? 1000.0f : 1.0f) * (i % 97 == 0 ? 30.0f : 1.0f);
  return x;
}

// The definition of the sum over inputs [begin, end), by scalar loops.
inline float defined_sum(Integers integers, const QuantizedMatrix& m, const float* x, int64_t n,
                         int64_t begin, int64_t end) {
  const float most = integers == Integers::k16Bits ? 32767 : 127;
  const PanelLayout l = panel_layout(m.format);
  float sum = 0;
  for (int64_t b = begin / 32; b < end / 32; ++b) {
    const BlockCodes block = read_codes(m.format, m.row(n), b);
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < 32; ++i) {
      finite = finite && std::isfinite(x[b * 32 + i]);
      largest = std::max(largest, std::abs(x[b * 32 + i]));
    }
    float dx = largest / most;
    int v[32] = {}, v_sum = 0;
    if (!finite || largest < 1e-30f)
      dx = finite ? 0 : NAN;
    else
      for (int i = 0; i < 32; ++i)
        v[i] = static_cast<int>(std::nearbyint(x[b * 32 + i] * (most / largest)));
    for (const int number : v) v_sum += number;
    const float d = f16_to_float(block.scale);
    for (int g = 0; g < l.groups; ++g) {
      int64_t products = 0;
      for (int i = g * 32 / l.groups; i < (g + 1) * 32 / l.groups; ++i)
        products += int64_t{v[i]} * (block.codes[i] - l.zero);
      const uint8_t factor = block.scale_factors[g];
      const float scale = !l.superblocks    ? d
                          : l.signed_scales ? d * static_cast<float>(static_cast<int8_t>(factor))
                                            : d * static_cast<float>(factor);
      sum = std::fma(static_cast<float>(products), scale * dx, sum);
    }
    if (l.minimum) {
      const float minimum = f16_to_float(block.minimum);
      sum = std::fma(
          static_cast<float>(v_sum) * dx,
          l.superblocks ? -(minimum * static_cast<float>(block.minimum_factor)) : minimum, sum);
    }
  }
  return sum;
}

// The definition of an output whose leaves have these ends.
inline float defined_output(Integers integers, const QuantizedMatrix& m, const float* x, int64_t n,
                            bool with_bias, std::span<const int64_t> ends) {
  std::vector<std::vector<float>> leaves;
  for (int64_t begin = 0; const int64_t end : ends) {
    leaves.push_back({defined_sum(integers, m, x, n, begin, end)});
    begin = end;
  }
  float sum = tree_of(std::move(leaves))[0];
  if (with_bias) sum += m.bias[static_cast<size_t>(n)];
  return sum * m.scale;
}

}  // namespace ember::cpu
