// SPDX-License-Identifier: Apache-2.0
#include "cuda/cublas_lt.h"

#include <gtest/gtest.h>

#include <vector>

#include "cuda/memory.h"

namespace ember::cuda {
namespace {

// Small whole numbers: every sum is exact, whoever computes it.
TEST(CublasLt, MultipliesAddsAndBiases) {
  std::string why;
  const std::unique_ptr<CublasLt> blas = CublasLt::open(why);
  ASSERT_NE(blas, nullptr) << why;
  constexpr int64_t kTokens = 5, kIn = 16, kOut = 24;
  const auto number = [](int64_t i) { return float_to_f16(static_cast<float>((i * 7) % 5 - 2)); };
  Arena arena(0);
  arena.reserve((size_t{1} << 20) + CublasLt::kWorkspaceBytes);
  const auto filled = [&](int64_t n) {
    auto* const memory = static_cast<uint16_t*>(arena.take(static_cast<size_t>(n) * 2));
    std::vector<uint16_t> values;
    for (int64_t i = 0; i < n; ++i) values.push_back(number(i));
    EXPECT_EQ(cudaMemcpy(memory, values.data(), values.size() * 2, cudaMemcpyHostToDevice),
              cudaSuccess);
    return memory;
  };
  const uint16_t* w = filled(kOut * kIn);
  const uint16_t* x = filled(kTokens * kIn);
  const uint16_t* bias = filled(kOut);
  void* const workspace = arena.take(CublasLt::kWorkspaceBytes);
  Stream stream;
  for (const bool add : {false, true}) {
    uint16_t* const y = filled(kTokens * kOut);
    const LtShape shape{.dtype = DType::kF16,
                        .in = kIn,
                        .out = kOut,
                        .w_stride = kIn,
                        .x_stride = kIn,
                        .y_stride = kOut,
                        .bias = true,
                        .add = add};
    blas->choose(shape, 1, kTokens);
    blas->multiply(
        {.shape = shape, .weights = w, .bias = bias, .x = x, .y = y, .scale = 2, .tokens = kTokens},
        workspace, stream.get());
    stream.wait();
    std::vector<uint16_t> result(kTokens * kOut);
    ASSERT_EQ(cudaMemcpy(result.data(), y, result.size() * 2, cudaMemcpyDeviceToHost), cudaSuccess);
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t o = 0; o < kOut; ++o) {
        float sum = f16_to_float(number(o)) + (add ? f16_to_float(number(t * kOut + o)) : 0);
        for (int64_t i = 0; i < kIn; ++i)
          sum += 2 * f16_to_float(number(t * kIn + i)) * f16_to_float(number(o * kIn + i));
        EXPECT_EQ(f16_to_float(result[static_cast<size_t>(t * kOut + o)]), sum)
            << t << " " << o << " " << add;
      }
  }
}

TEST(CublasLt, SaysWhichNumbersOfTokensAreNewToIt) {
  std::string why;
  const std::unique_ptr<CublasLt> blas = CublasLt::open(why);
  ASSERT_NE(blas, nullptr) << why;
  EXPECT_TRUE(blas->first_uses().empty());
  blas->choose({.in = 8, .out = 8}, 100, 300);
  blas->choose({.in = 8, .out = 16}, 200, 300);
  EXPECT_EQ(blas->first_uses(), (std::vector<int64_t>{100, 129, 200, 257}));
}

}  // namespace
}  // namespace ember::cuda
