// SPDX-License-Identifier: Apache-2.0
// Quantised weights at random, and the kernels of one instruction set against their definition (see
// quantized_kernels.h); the same cases for each set.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

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

// The definition, by scalar loops.
inline float defined_output(Integers integers, const QuantizedMatrix& m, const float* x, int64_t n,
                            bool with_bias) {
  const float most = integers == Integers::k16Bits ? 32767 : 127;
  const PanelLayout l = panel_layout(m.format);
  float sum = 0;
  for (int64_t b = 0; b < m.in / 32; ++b) {
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
  if (with_bias) sum += m.bias[static_cast<size_t>(n)];
  return sum * m.scale;
}

// As the backend runs it; nothing is written between rows of y.
inline std::vector<float> run_quantized(const QuantizedKernels& kernels, const QuantizedMatrix& m,
                                        const float* x, int64_t rows, bool with_bias,
                                        float before = NAN) {
  constexpr float kUntouched = 777;
  constexpr int64_t kGap = 3;
  std::vector<float> wide(static_cast<size_t>(rows * (m.out + kGap)), kUntouched);
  std::vector<std::byte> memory(
      static_cast<size_t>(PreparedRows::bytes(kernels.integers, rows, m.in)) + 64);
  QuantizedArgs args{.format = m.format,
                     .panels = m.panels.data(),
                     .bias = with_bias ? m.bias.data() : nullptr,
                     .x = PreparedRows::in_memory(kernels.integers, memory.data(), rows, m.in),
                     .y = wide.data(),
                     .y_stride = m.out + kGap,
                     .scale = m.scale,
                     .add = !std::isnan(before),
                     .rows = rows,
                     .in = m.in,
                     .out = m.out};
  for (int64_t r = 0; args.add && r < rows; ++r)
    std::fill_n(wide.begin() + r * args.y_stride, m.out, before);
  kernels.prepare(args.x, x, m.in, m.in, 0, rows / 2);
  kernels.prepare(args.x, x, m.in, m.in, rows / 2, rows);
  for (int64_t panel = (m.out + 31) / 32 - 1; panel >= 0; --panel) kernels.multiply(args, panel);
  std::vector<float> y;
  for (int64_t r = 0; r < rows; ++r) {
    const auto begin = wide.begin() + r * args.y_stride;
    y.insert(y.end(), begin, begin + m.out);
    for (int64_t i = 0; i < kGap; ++i) EXPECT_EQ(begin[m.out + i], kUntouched);
  }
  return y;
}

// Exact; and within what rounding to integers may cost of the true products.
inline void check_definition(const QuantizedKernels& kernels, const QuantizedMatrix& m,
                             const std::vector<float>& x, int64_t rows, bool with_bias) {
  const double rounding = kernels.integers == Integers::k16Bits ? 1.6e-5 : 4.0e-3;
  const std::vector<float> y = run_quantized(kernels, m, x.data(), rows, with_bias);
  std::vector<float> weights(static_cast<size_t>(m.in));
  for (int64_t n = 0; n < m.out; ++n) {
    unpack_panel_row(m.format, m.panels.data(), m.in, n, weights.data());
    for (int64_t r = 0; r < rows; ++r) {
      const float *row = x.data() + r * m.in, got = y[static_cast<size_t>(r * m.out + n)];
      ASSERT_EQ(got, defined_output(kernels.integers, m, row, n, with_bias))
          << "row " << r << " output " << n;
      double sum = with_bias ? m.bias[static_cast<size_t>(n)] : 0, bound = std::abs(sum) * 1e-7;
      for (int64_t b = 0; b < m.in; b += 32) {
        double largest = 0, size = 0;
        for (int64_t k = b; k < b + 32; ++k) {
          sum += double{row[k]} * weights[static_cast<size_t>(k)];
          largest = std::max(largest, std::abs(double{row[k]}));
          size += std::abs(double{weights[static_cast<size_t>(k)]});
        }
        bound += rounding * largest * size;
      }
      ASSERT_NEAR(got, sum * m.scale, bound * std::abs(m.scale)) << "row " << r << " output " << n;
    }
  }
}

inline void check_quantized(const QuantizedKernels& kernels) {
  const unsigned seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const auto any_of = [&](std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  };
  for (int round = 0; round < 120; ++round) {
    const WeightFormat format = kQuantizedFormats[round % std::size(kQuantizedFormats)];
    const int64_t out = any_of({1, 15, 16, 17, 31, 32, 33, 64, 97}),
                  rows = any_of({1, 2, 3, 4, 5, 7, 39}),
                  in = info_of(format).block_weights * any_of({1, 2, 3, 5});
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", round " << round << ": "
                                    << name_of(format) << " " << rows << "x" << in << "x" << out);
    const QuantizedMatrix m(format, out, in, random);
    check_definition(kernels, m, random_inputs(rows * in, random), rows, random() % 2 == 0);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Bit for bit, in any company.
inline void check_row_by_row(const QuantizedKernels& kernels) {
  std::mt19937_64 random(1);
  for (const WeightFormat format : kQuantizedFormats) {
    SCOPED_TRACE(name_of(format));
    const int64_t in = 512, out = 40, most = 512;
    const QuantizedMatrix m(format, out, in, random);
    const std::vector<float> x = random_inputs(most * in, random);
    std::vector<float> alone;
    for (int64_t r = 0; r < most; ++r) {
      const std::vector<float> y = run_quantized(kernels, m, x.data() + r * in, 1, true);
      alone.insert(alone.end(), y.begin(), y.end());
    }
    for (const int64_t rows : {2, 7, 16, 33, 512}) {
      const std::vector<float> y = run_quantized(kernels, m, x.data(), rows, true);
      ASSERT_TRUE(std::equal(y.begin(), y.end(), alone.begin())) << rows;
      const std::vector<float> added = run_quantized(kernels, m, x.data(), rows, true, 3.0f);
      for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(added[i], 3.0f + y[i]);
    }
  }
}

// Rows that hold no number, nothing, next to nothing, or the largest numbers; their neighbours
// never notice.
inline void check_odd_inputs(const QuantizedKernels& kernels) {
  std::mt19937_64 random(2);
  for (const WeightFormat format : kQuantizedFormats) {
    SCOPED_TRACE(name_of(format));
    const int64_t in = 256, out = 33, rows = 7;
    const QuantizedMatrix m(format, out, in, random);
    std::vector<float> x = random_inputs(rows * in, random);
    const auto row = [&](int64_t r) { return x.data() + r * in; };
    row(1)[100] = NAN;
    row(2)[31] = -INFINITY;
    std::fill_n(row(3), in, 0.0f);
    std::fill_n(row(4), in, -0x1p-140f);
    for (int64_t k = 0; k < in; ++k) row(5)[k] = k % 3 == 0 ? 3e35f : -1e35f;
    const std::vector<float> y = run_quantized(kernels, m, x.data(), rows, false);
    for (int64_t n = 0; n < out; ++n)
      for (int64_t r = 0; r < rows; ++r) {
        const float got = y[static_cast<size_t>(r * out + n)],
                    expected = defined_output(kernels.integers, m, row(r), n, false);
        if (r == 1 || r == 2) {
          ASSERT_TRUE(std::isnan(got) && std::isnan(expected)) << r;
          continue;
        }
        ASSERT_EQ(got, expected) << r;
        if (r == 3 || r == 4) {
          ASSERT_EQ(got, 0);
        }
      }
  }
}

// Codes and inputs at the ends of their ranges, of either sign: sums as large as they come.
inline void check_largest_sums(const QuantizedKernels& kernels) {
  std::mt19937_64 random(3);
  for (const WeightFormat format : kQuantizedFormats) {
    SCOPED_TRACE(name_of(format));
    const int64_t in = 256, out = 32;
    for (const int byte : {0x00, 0x0f, 0x7f, 0x80, 0xf0, 0xff}) {
      QuantizedMatrix m(format, out, in, random);
      const auto block = static_cast<size_t>(info_of(format).block_bytes);
      const size_t codes = m.scale_bytes(), end = format == WeightFormat::kQ6_K ? 208 : block;
      for (size_t at = 0; at < m.rows.size(); ++at)
        if (at % block >= codes && at % block < end) m.rows[at] = static_cast<std::byte>(byte);
      m.pack();
      for (const float second : {1.0f, -1.0f}) {
        std::vector<float> x(static_cast<size_t>(40 * in), 5.0f);
        for (size_t i = 0; i < x.size(); i += 2) x[i] = 5.0f * second;
        for (const int64_t rows : {1, 4, 40}) check_definition(kernels, m, x, rows, false);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

inline void check_quantized_kernels(const QuantizedKernels& kernels, Integers integers) {
  ASSERT_EQ(kernels.integers, integers);
  check_quantized(kernels);
  check_largest_sums(kernels);
  check_row_by_row(kernels);
  check_odd_inputs(kernels);
}

}  // namespace ember::cpu
