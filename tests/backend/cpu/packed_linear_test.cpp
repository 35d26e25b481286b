// SPDX-License-Identifier: Apache-2.0
#include "cpu/packed_linear.h"

#include <gtest/gtest.h>

#include "backend/cpu/kernel_cases.h"
#include "ember/base/start_error.h"

namespace ember::cpu {
namespace {

TEST(PackedLinear, StacksPartsAndGivesEveryRowBack) {
  std::vector<float> a = random_floats(33 * 7, 1), b = random_floats(40 * 7, 2),
                     bias = random_floats(40, 3);
  const std::vector<Tensor> weights = {{a.data(), DType::kF32, {33, 7}},
                                       {b.data(), DType::kF32, {40, 7}}};
  const std::vector<Tensor> biases = {{}, {bias.data(), DType::kF32, {40}}};
  Arena arena;
  ThreadPool pool(2);
  const PackedLinear matrix = pack(weights, biases, arena, pool);
  EXPECT_EQ(matrix.out, 73);
  EXPECT_EQ(matrix.in, 7);
  std::vector<float> row(7);
  for (int64_t r = 0; r < 73; ++r) {
    unpack_row(matrix, r, row.data());
    const float* expected = r < 33 ? a.data() + r * 7 : b.data() + (r - 33) * 7;
    EXPECT_EQ(row, std::vector<float>(expected, expected + 7));
    EXPECT_EQ(matrix.bias[r], r < 33 ? 0.0f : bias[static_cast<size_t>(r - 33)]);
  }
}

TEST(PackedLinear, RefusesPartsThatDiffer) {
  std::vector<float> a(14), b(16);
  const std::vector<Tensor> weights = {{a.data(), DType::kF32, {2, 7}},
                                       {b.data(), DType::kF32, {2, 8}}};
  Arena arena;
  ThreadPool pool(1);
  EXPECT_THROW(pack(weights, {}, arena, pool), StartError);
}

}  // namespace
}  // namespace ember::cpu
