// SPDX-License-Identifier: Apache-2.0
#include "cuda/matrix.h"

#include <gtest/gtest.h>

#include <numeric>

#include "ember/base/start_error.h"

namespace ember::cuda {
namespace {

const kernels::StreamRef kQueue{.sm = 80, .num_sms = 4};

std::vector<uint16_t> numbers(int64_t n, int first) {
  std::vector<uint16_t> result;
  for (int64_t i = 0; i < n; ++i) result.push_back(float_to_f16(static_cast<float>(first + i)));
  return result;
}

TEST(CudaMatrix, StacksAndPads) {
  std::vector<uint16_t> a = numbers(2 * 5, 0), b = numbers(3 * 5, 100);
  std::vector<float> bias = {7, 8, 9};
  const WeightView weights[] = {weight_view({a.data(), DType::kF16, {2, 5}}),
                                weight_view({b.data(), DType::kF16, {3, 5}})};
  const Tensor biases[] = {Tensor(), {bias.data(), DType::kF32, {3}}};
  Arena arena(0);
  WeightUpload upload;
  arena.reserve(matrix_bytes(arena, 5, 5, true));
  const Matrix m = make_matrix(arena, upload, kQueue, DType::kF16, weights, biases, false);
  upload.wait();
  EXPECT_EQ(arena.used(), arena.reserved());
  EXPECT_EQ(m.in, 5);
  EXPECT_EQ(m.plan.in, 8);
  EXPECT_EQ(m.plan.out, 5);
  const auto* data = static_cast<const uint16_t*>(m.plan.data);
  for (size_t r = 0; r < 5; ++r)
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(data[r * 8 + i], i >= 5  ? 0
                                 : r < 2 ? a[r * 5 + i]
                                         : b[(r - 2) * 5 + i])
          << r << " " << i;
  EXPECT_EQ(std::vector<float>(m.plan.bias, m.plan.bias + 5), (std::vector<float>{0, 0, 7, 8, 9}));
  EXPECT_EQ(static_cast<const uint16_t*>(m.bias16)[4], float_to_f16(9));
}

TEST(CudaMatrix, GatesAndUpsAreInterleavedByEights) {
  std::vector<uint16_t> gate = numbers(16 * 8, 0), up = numbers(16 * 8, 1000);
  const WeightView weights[] = {weight_view({gate.data(), DType::kF16, {16, 8}}),
                                weight_view({up.data(), DType::kF16, {16, 8}})};
  Arena arena(0);
  WeightUpload upload;
  arena.reserve(matrix_bytes(arena, 32, 8, false));
  const Matrix m = make_matrix(arena, upload, kQueue, DType::kF16, weights, {}, true);
  upload.wait();
  const auto* data = static_cast<const uint16_t*>(m.plan.data);
  for (size_t r = 0; r < 32; ++r) {
    const size_t row = r / 16 * 8 + r % 8;
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(data[r * 8 + i], (r % 16 < 8 ? gate : up)[row * 8 + i]) << r << " " << i;
  }
}

TEST(CudaMatrix, TakesSomeColumnsOfEveryRow) {
  std::vector<uint16_t> whole = numbers(3 * 10, 0);
  WeightView weights = weight_view({whole.data(), DType::kF16, {3, 10}});
  weights.columns = 4;
  weights.data += 5 * sizeof(uint16_t);
  Arena arena(0);
  WeightUpload upload;
  arena.reserve(matrix_bytes(arena, 3, 4, false));
  const Matrix m =
      make_matrix(arena, upload, kQueue, DType::kF16, std::span(&weights, 1), {}, false);
  upload.wait();
  const auto* data = static_cast<const uint16_t*>(m.plan.data);
  for (size_t r = 0; r < 3; ++r)
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(data[r * 8 + i], i < 4 ? whole[r * 10 + 5 + i] : 0) << r << " " << i;
}

TEST(CudaMatrix, RefusesOtherTypesAndWidths) {
  std::vector<uint16_t> data = numbers(12 * 8, 0);
  const WeightView weight = weight_view({data.data(), DType::kBF16, {12, 8}}),
                   right = weight_view({data.data(), DType::kF16, {12, 8}});
  Arena arena(0);
  WeightUpload upload;
  arena.reserve(4096);
  EXPECT_THROW(make_matrix(arena, upload, kQueue, DType::kF16, std::span(&weight, 1), {}, false),
               StartError);
  EXPECT_THROW(make_matrix(arena, upload, kQueue, DType::kF16, std::span(&right, 1), {}, true),
               std::runtime_error);
}

}  // namespace
}  // namespace ember::cuda
