// SPDX-License-Identifier: Apache-2.0
#include "cpu/packed_linear.h"

#include <gtest/gtest.h>

#include "backend/cpu/kernel_cases.h"
#include "ember/base/start_error.h"

namespace ember::cpu {
namespace {

WeightView view(const std::vector<float>& values, int64_t rows, int64_t columns) {
  return weight_view(Tensor(const_cast<float*>(values.data()), DType::kF32, {rows, columns}));
}
WeightView view(const std::vector<uint16_t>& values, DType dtype, int64_t rows, int64_t columns) {
  return weight_view(Tensor(const_cast<uint16_t*>(values.data()), dtype, {rows, columns}));
}

std::vector<uint16_t> halves(const std::vector<float>& values, DType dtype) {
  std::vector<uint16_t> result;
  for (const float v : values)
    result.push_back(dtype == DType::kF16 ? float_to_f16(v) : float_to_bf16(v));
  return result;
}

std::vector<float> row_of(const PackedLinear& matrix, int64_t r) {
  std::vector<float> row(static_cast<size_t>(matrix.in));
  unpack_row(matrix, r, row.data());
  return row;
}

TEST(PackedLinear, StacksPartsAndGivesEveryRowBack) {
  const std::vector<float> a = random_floats(33 * 7, 1), b = random_floats(40 * 7, 2);
  std::vector<float> bias = random_floats(40, 3);
  const std::vector<WeightView> weights = {view(a, 33, 7), view(b, 40, 7)};
  const std::vector<Tensor> biases = {{}, {bias.data(), DType::kF32, {40}}};
  Arena arena;
  ThreadPool pool(2);
  const PackedLinear matrix = pack(weights, biases, arena, pool);
  EXPECT_EQ(matrix.out, 73);
  EXPECT_EQ(matrix.in, 7);
  ASSERT_EQ(matrix.segments.size(), 1u) << "they have one type";
  for (int64_t r = 0; r < 73; ++r) {
    const float* expected = r < 33 ? a.data() + r * 7 : b.data() + (r - 33) * 7;
    EXPECT_EQ(row_of(matrix, r), std::vector<float>(expected, expected + 7));
    EXPECT_EQ(matrix.segments[0].bias[r], r < 33 ? 0.0f : bias[static_cast<size_t>(r - 33)]);
  }
}

TEST(PackedLinear, EveryTypeOfAStackIsASegment) {
  const std::vector<float> a = random_floats(33 * 7, 1), b = random_floats(40 * 7, 2);
  const std::vector<uint16_t> b16 = halves(b, DType::kF16);
  std::vector<float> bias = random_floats(40, 3);
  const std::vector<WeightView> weights = {view(a, 20, 7), view(a, 13, 7),
                                           view(b16, DType::kF16, 40, 7)};
  const std::vector<Tensor> biases = {{}, {}, {bias.data(), DType::kF32, {40}}};
  Arena arena;
  ThreadPool pool(2);
  const PackedLinear matrix = pack(weights, biases, arena, pool);
  ASSERT_EQ(matrix.segments.size(), 2u);
  EXPECT_EQ(matrix.segments[0].outputs, 33);
  EXPECT_EQ(matrix.segments[1].format, WeightFormat::kF16);
  EXPECT_EQ(matrix.segments[1].first_output, 33);
  EXPECT_EQ(matrix.segments[1].outputs, 40);
  for (int64_t r = 0; r < 40; ++r) {
    std::vector<float> expected;
    for (int64_t k = 0; k < 7; ++k)
      expected.push_back(f16_to_float(b16[static_cast<size_t>(r * 7 + k)]));
    EXPECT_EQ(row_of(matrix, 33 + r), expected);
    EXPECT_EQ(matrix.segments[1].bias[r], bias[static_cast<size_t>(r)]);
  }
  EXPECT_EQ(row_of(matrix, 32), std::vector<float>(a.begin() + 12 * 7, a.begin() + 13 * 7));
  const std::vector<WeightShape> shapes(weights.begin(), weights.end());
  EXPECT_EQ(PackedLinear::bytes(shapes, true), 64u * (32 * 4 + 4) + 64u * (32 * 2 + 4))
      << "each segment is padded to 32 outputs";
  EXPECT_EQ(PackedLinear::bytes(shapes, false), 64u * 32 * 4 + 64u * 32 * 2);
}

TEST(PackedLinear, TakesSomeColumnsOfEveryRow) {
  const std::vector<float> whole = random_floats(3 * 10, 1);
  WeightView weights = view(whole, 3, 10);
  weights.columns = 4;
  weights.data += 5 * sizeof(float);
  Arena arena;
  ThreadPool pool(1);
  const PackedLinear matrix = pack(std::span(&weights, 1), {}, arena, pool);
  for (int64_t r = 0; r < 3; ++r)
    EXPECT_EQ(row_of(matrix, r),
              std::vector<float>(whole.begin() + r * 10 + 5, whole.begin() + r * 10 + 9));
}

TEST(PackedLinear, RefusesPartsOfOtherWidthsAndUnknownFormats) {
  const std::vector<float> a(14), b(16);
  const std::vector<WeightView> weights = {view(a, 2, 7), view(b, 2, 8)};
  Arena arena;
  ThreadPool pool(1);
  EXPECT_THROW(pack(weights, {}, arena, pool), StartError);
  const WeightShape blocks[] = {{WeightFormat::kIQ4_NL, 2, 32}};
  EXPECT_THROW(PackedLinear::bytes(blocks, false), StartError);
}

}  // namespace
}  // namespace ember::cpu
