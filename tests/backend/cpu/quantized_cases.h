// SPDX-License-Identifier: Apache-2.0
// Quantised weights at random, and the kernels of one instruction set against their definition (see
// quantized_kernels.h); the same cases for each set.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "backend/cpu/quantized_matrix.h"
#include "ember/base/dtype.h"

namespace ember::cpu {

// As the backend runs it; nothing is written between rows of y.
inline std::vector<float> run_quantized(const QuantizedKernels& kernels, const QuantizedMatrix& m,
                                        const float* x, int64_t rows, bool with_bias,
                                        float before = NAN, std::span<const int64_t> ends = {}) {
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
  if (!ends.empty()) args.leaves = {.ends = ends.data(), .count = static_cast<int>(ends.size())};
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
                             const std::vector<float>& x, int64_t rows, bool with_bias,
                             std::span<const int64_t> ends) {
  const double rounding = kernels.integers == Integers::k16Bits ? 1.6e-5 : 4.0e-3;
  const std::vector<float> y = run_quantized(kernels, m, x.data(), rows, with_bias, NAN, ends);
  std::vector<float> weights(static_cast<size_t>(m.in));
  for (int64_t n = 0; n < m.out; ++n) {
    unpack_panel_row(m.format, m.panels.data(), m.in, n, weights.data());
    for (int64_t r = 0; r < rows; ++r) {
      const float *row = x.data() + r * m.in, got = y[static_cast<size_t>(r * m.out + n)];
      ASSERT_EQ(got, defined_output(kernels.integers, m, row, n, with_bias, ends))
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
    const std::vector<int64_t> ends = random_leaf_ends(in, info_of(format).block_weights, random);
    check_definition(kernels, m, random_inputs(rows * in, random), rows, random() % 2 == 0, ends);
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
                    expected = defined_output(kernels.integers, m, row(r), n, false, {{m.in}});
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
        for (const int64_t rows : {1, 4, 40})
          check_definition(kernels, m, x, rows, false, {{m.in}});
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
