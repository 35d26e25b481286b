// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set against double precision; the same cases for each set.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

#include "backend/cpu/attention_cases.h"
#include "backend/cpu/leaf_cases.h"

namespace ember::cpu {

// For the beginning of a test that needs the instruction set.
#define EMBER_NEEDS(isa) \
  if (!machine_has(isa)) GTEST_SKIP() << "wants a processor with " << name_of(isa)

// A matrix [out][in] and the same packed for the kernel, in one type.
struct Matrix {
  Matrix(DType type, int64_t out_features, int64_t in_features, uint64_t seed)
      : Matrix(type, out_features, in_features,
               random_floats(static_cast<size_t>(out_features * in_features), seed)) {}
  Matrix(DType type, int64_t out_features, int64_t in_features, std::vector<float> weights)
      : dtype(type), out(out_features), in(in_features), values(std::move(weights)) {
    halves.resize(static_cast<size_t>(round_up(out, kBlockOutputs) * round_up(in, kPaddedInputs)));
    floats.resize(halves.size());
    for (int64_t n = 0; n < out; ++n)
      for (int64_t k = 0; k < in; ++k) {
        float& v = values[static_cast<size_t>(n * in + k)];
        const auto at = static_cast<size_t>(packed_index(dtype, in, n, k));
        const uint16_t bits = dtype == DType::kF16 ? float_to_f16(v) : float_to_bf16(v);
        if (dtype != DType::kF32)
          v = dtype == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
        halves[at] = bits;
        floats[at] = v;
      }
  }
  Matrix columns(int64_t begin, int64_t end) const {
    std::vector<float> weights;
    for (int64_t n = 0; n < out; ++n)
      weights.insert(weights.end(), values.begin() + n * in + begin, values.begin() + n * in + end);
    return {dtype, out, end - begin, std::move(weights)};
  }
  LinearArgs args(const std::vector<float>& x, std::vector<float>& y,
                  const std::vector<float>& bias, int64_t rows) const {
    const void* weights =
        dtype == DType::kF32 ? static_cast<const void*>(floats.data()) : halves.data();
    return {.weights = weights,
            .dtype = dtype,
            .bias = bias.empty() ? nullptr : bias.data(),
            .x = x.data(),
            .x_stride = in,
            .y = y.data(),
            .y_stride = out,
            .rows = rows,
            .in = in,
            .out = out};
  }

  DType dtype;
  int64_t out, in;
  std::vector<float> values, floats;
  std::vector<uint16_t> halves;
};

// As the backend runs it for num_threads threads; rows of x and y lie further apart than they are
// long, and nothing is written between.
inline std::vector<float> run_linear(const Kernels& kernels, const Matrix& m,
                                     const std::vector<float>& x, const std::vector<float>& bias,
                                     int64_t rows, int num_threads = 1, const Leaves& leaves = {}) {
  constexpr float kUntouched = 777;
  constexpr int64_t kGap = 3;
  std::vector<float> wide_x(static_cast<size_t>(rows * (m.in + kGap)), NAN),
      wide_y(static_cast<size_t>(rows * (m.out + kGap)), kUntouched);
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(x.begin() + r * m.in, m.in, wide_x.begin() + r * (m.in + kGap));
  std::vector<uint16_t> parts(static_cast<size_t>(parts_size(rows, m.in)), 0x7fc0);  // not a number
  std::vector<float> scratch(static_cast<size_t>(kernels.linear_scratch), NAN);
  LinearArgs args = m.args(wide_x, wide_y, bias, rows);
  args.x_stride += kGap;
  args.y_stride += kGap;
  args.parts = parts.data();
  args.num_threads = num_threads;
  args.leaves = leaves;
  if (kernels.split != nullptr)
    for (int64_t r = 0; r < rows; r += kSplitRows) kernels.split(args, r);
  for (int64_t task = kernels.linear_tasks(args) - 1; task >= 0; --task)
    kernels.linear(args, task, scratch.data());
  std::vector<float> y;
  for (int64_t r = 0; r < rows; ++r) {
    const auto begin = wide_y.begin() + r * args.y_stride;
    y.insert(y.end(), begin, begin + m.out);
    for (int64_t i = 0; i < kGap; ++i) EXPECT_EQ(begin[m.out + i], kUntouched);
  }
  return y;
}

// The bound is that of a chain of roundings to float, relative to the sum of the products'
// magnitudes.
inline void check_products(const Matrix& m, const std::vector<float>& x,
                           const std::vector<float>& bias, int64_t rows,
                           const std::vector<float>& y) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t n = 0; n < m.out; ++n) {
      double sum = bias.empty() ? 0 : bias[static_cast<size_t>(n)], magnitude = std::abs(sum);
      for (int64_t k = 0; k < m.in; ++k) {
        const double product = double{x[static_cast<size_t>(r * m.in + k)]} *
                               m.values[static_cast<size_t>(n * m.in + k)];
        sum += product;
        magnitude += std::abs(product);
      }
      const double bound = magnitude * 6e-8 * (2 + std::sqrt(static_cast<double>(m.in)));
      ASSERT_NEAR(y[static_cast<size_t>(r * m.out + n)], sum, bound)
          << "row " << r << " output " << n;
    }
}

inline void check_linear(const Kernels& kernels) {
  const unsigned seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const auto any_of = [&](std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  };
  for (int round = 0; round < 250; ++round) {
    const DType dtype = std::array{DType::kF32, DType::kF16, DType::kBF16}[random() % 3];
    const int64_t out = any_of({1, 15, 16, 17, 31, 32, 33, 64, 65, 97, 600}),
                  in = any_of({1, 2, 16, 31, 32, 33, 95, 128, 511, 545});
    const int64_t rows =
        any_of({1, 2, 3, 5, 6, 7, 11, 13, 15, 16, 17, 31, 32, 33, 34, 48, 70, 95, 97, 200});
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", round " << round << ": "
                                    << name_of(dtype) << " " << rows << "x" << in << "x" << out);
    const Matrix m(dtype, out, in, random());
    const std::vector<float> x = random_floats(static_cast<size_t>(rows * in), random());
    std::vector<float> bias;
    if (random() % 2 == 0)
      bias = random_floats(static_cast<size_t>(round_up(out, kBlockOutputs)), random());
    const std::vector<float> y = run_linear(kernels, m, x, bias, rows);
    check_products(m, x, bias, rows, y);
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_EQ(y, run_linear(kernels, m, x, bias, rows, 64));  // however the work is shared
    const int64_t first = std::uniform_int_distribution<int64_t>(0, rows - 1)(random);
    const int64_t count = std::uniform_int_distribution<int64_t>(1, rows - first)(random);
    for (const auto& [begin, n] :
         {std::pair{first, int64_t{1}}, std::pair{first, count}}) {  // bit for bit, in any company
      const std::vector<float> part =
          run_linear(kernels, m, {x.begin() + begin * in, x.begin() + (begin + n) * in}, bias, n);
      ASSERT_EQ(part, std::vector<float>(y.begin() + begin * out, y.begin() + (begin + n) * out));
    }
  }
}

// The sum in leaves is, bit for bit, the tree of what the leaves are as products of their own; then
// comes the bias.
inline void check_leaves(const Kernels& kernels) {
  const unsigned seed = std::random_device{}();
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    const DType dtype = std::array{DType::kF32, DType::kF16, DType::kBF16}[round % 3];
    const bool padded = random() % 2 == 0;
    const auto any_of = [&](std::initializer_list<int64_t> values) {
      return values.begin()[random() % values.size()];
    };
    const int64_t out = any_of({1, 32, 33, 97, 300}), in = any_of({64, 96, 256, 1200, 2049}),
                  rows = any_of({1, 3, 8, 17, 40, 150});
    const std::vector<int64_t> ends = random_leaf_ends(in, padded ? kPaddedInputs : 2, random);
    SCOPED_TRACE(testing::Message()
                 << "seed " << seed << ", round " << round << ": " << name_of(dtype) << " " << rows
                 << "x" << in << "x" << out << ", " << ends.size() << " leaves");
    const Matrix m(dtype, out, in, random());
    const std::vector<float> x = random_floats(static_cast<size_t>(rows * in), random()),
                             bias = random_floats(static_cast<size_t>(round_up(out, 32)), random());
    const auto leaves_of = [&](const std::vector<int64_t>& e) {
      return Leaves{.ends = e.data(), .count = static_cast<int>(e.size()), .padded = padded};
    };
    std::vector<std::vector<float>> parts;
    for (int64_t begin = 0; const int64_t end : ends) {
      std::vector<float> x_part;
      for (int64_t r = 0; r < rows; ++r)
        x_part.insert(x_part.end(), x.begin() + r * in + begin, x.begin() + r * in + end);
      const std::vector<int64_t> one = {end - begin};
      parts.push_back(
          run_linear(kernels, m.columns(begin, end), x_part, {}, rows, 1, leaves_of(one)));
      begin = end;
    }
    std::vector<float> expected = tree_of(std::move(parts));
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += bias[i % static_cast<size_t>(out)];
    ASSERT_EQ(run_linear(kernels, m, x, bias, rows, 1, leaves_of(ends)), expected);
    ASSERT_EQ(run_linear(kernels, m, x, bias, rows, 64, leaves_of(ends)), expected);
  }
}

// More rows than any kernel looks at together, and numbers at the ends of what floats hold.
inline void check_extremes(const Kernels& kernels) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    SCOPED_TRACE(name_of(dtype));
    const int64_t rows = 300, in = 70;
    const Matrix m(dtype, 40, in, 1);
    std::vector<float> x = random_floats(static_cast<size_t>(rows * in), 2);
    const std::vector<float> before = run_linear(kernels, m, x, {}, rows);
    check_products(m, x, {}, rows, before);
    for (int64_t k = 0; k < in; ++k) {
      x[static_cast<size_t>(k)] *= 1e-30f;
      x[static_cast<size_t>(in + k)] *= 1e36f;
      x[static_cast<size_t>(2 * in + k)] = k == 5 ? INFINITY : 1.0f;
      x[static_cast<size_t>(3 * in + k)] = k == 5 ? NAN : 1.0f;
    }
    const std::vector<float> y = run_linear(kernels, m, x, {}, rows);
    check_products(m, x, {}, 2, y);
    for (size_t n = 0; n < 40; ++n) {
      ASSERT_EQ(y[80 + n], m.values[n * static_cast<size_t>(in) + 5] > 0 ? INFINITY : -INFINITY);
      ASSERT_TRUE(std::isnan(y[120 + n]));
    }
    ASSERT_EQ(std::vector<float>(y.begin() + 160, y.end()),
              std::vector<float>(before.begin() + 160, before.end()));
  }
}

inline void check_exp(const Kernels& kernels) {
  std::vector<float> x = {
      0, -0.0f, 1, -1, 88, -86.9f, -87.5f, -1000, -std::numeric_limits<float>::infinity()};
  for (float v = -87; v < 88; v += 0.0137f) x.push_back(v);
  std::vector<float> y(x.size());
  kernels.exp(y.data(), x.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(y[i], x[i] < -87 ? 0.0 : std::exp(double{x[i]}), 3e-7 * std::exp(double{x[i]}))
        << x[i];
}

inline void check_rows(const Kernels& kernels) {
  for (const int64_t n : {1, 7, 16, 17, 64, 100}) {
    const auto size = static_cast<size_t>(n);
    const std::vector<float> x = random_floats(size, 3), w = random_floats(size, 4),
                             up = random_floats(size, 5);
    std::vector<float> residual = random_floats(size, 6), y(size), sums(size);
    for (size_t i = 0; i < size; ++i) sums[i] = residual[i] + x[i];
    kernels.add_rms_norm(y.data(), residual.data(), x.data(), w.data(), 1e-5f, n);
    EXPECT_EQ(residual, sums);
    double squares = 0;
    for (const float v : sums) squares += double{v} * v;
    for (size_t i = 0; i < size; ++i)
      ASSERT_NEAR(y[i], sums[i] / std::sqrt(squares / static_cast<double>(n) + 1e-5) * w[i], 1e-5);
    kernels.silu_mul(y.data(), x.data(), up.data(), n);
    for (size_t i = 0; i < size; ++i)
      ASSERT_NEAR(y[i], x[i] / (1 + std::exp(-double{x[i]})) * up[i], 1e-5);
    kernels.gelu_mul(y.data(), x.data(), up.data(), n);
    for (size_t i = 0; i < size; ++i) {
      const double g = x[i], u = std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g);
      ASSERT_NEAR(y[i], g / 2 * (1 + std::tanh(u)) * up[i], 1e-6);
    }
  }
}

// Also where exponentials end, and beyond.
inline void check_caps(const Kernels& kernels) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> x = {0, kInfinity, -kInfinity, 1e30f, -1e30f, 3000, -3000};
  for (float v = -200; v < 200; v += 0.37f) x.push_back(v);
  std::vector<float> y = x, gates(x.size()), ones(x.size(), 1.0f);
  const auto n = static_cast<int64_t>(x.size());
  kernels.softcap(y.data(), 30, n);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(y[i], 30 * std::tanh(double{x[i]} / 30), 6e-6) << x[i];
  kernels.gelu_mul(gates.data(), x.data() + 5, ones.data(), n - 5);
  for (size_t i = 5; i < x.size(); ++i) {
    if (std::abs(x[i]) < 6) continue;
    ASSERT_NEAR(gates[i - 5], std::max(x[i], 0.0f), 1e-6f) << x[i];
  }
  x = {NAN, 1};
  kernels.softcap(x.data(), 30, 2);
  EXPECT_TRUE(std::isnan(x[0]) && !std::isnan(x[1])) << "an error of a sequence stays one";
}

inline void check_kernels(Isa isa) {
  EMBER_NEEDS(isa);
  const Kernels& kernels = kernels_of(isa);
  check_linear(kernels);
  check_leaves(kernels);
  check_extremes(kernels);
  check_exp(kernels);
  check_rows(kernels);
  check_caps(kernels);
  check_attention(kernels);
  check_attention_of_nan(kernels);
}

}  // namespace ember::cpu
