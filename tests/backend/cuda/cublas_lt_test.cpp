// SPDX-License-Identifier: Apache-2.0
#include "cuda/cublas_lt.h"

#include <gtest/gtest.h>

#include <vector>

#include "backend/cuda/emulated_cublas/emulated_cublas.h"
#include "cuda/memory.h"
#include "ember/base/device_error.h"

namespace ember::cuda {
namespace {

LtShape shape_of(int64_t out, int64_t in) {
  return {.in = in, .out = out, .w_stride = in, .x_stride = in, .y_stride = out};
}

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

// What is chosen depends on the shape and the number of tokens alone, not on who came first; and
// sums of parts, which may be added in 16 bits, are not wished for.
TEST(CublasLt, TheLargestNumberOfABucketDecides) {
  std::string why;
  const std::unique_ptr<CublasLt> blas = CublasLt::open(why);
  ASSERT_NE(blas, nullptr) << why;
  emulated_cublas::asked().clear();
  blas->choose(shape_of(24, 8), 100, 300);
  std::vector<int64_t> tokens;
  for (const emulated_cublas::Asked& asked : emulated_cublas::asked()) {
    tokens.push_back(asked.tokens);
    EXPECT_EQ(asked.in, 8);
    EXPECT_EQ(asked.out, 24);
    EXPECT_EQ(asked.workspace_bytes, CublasLt::kWorkspaceBytes);
    EXPECT_EQ(asked.reduction_schemes, uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
  }
  EXPECT_EQ(tokens, (std::vector<int64_t>{128, 256, 300}));
}

TEST(CublasLt, WhoCannotBeComputedThatWayHasAnAlgorithmOfItsOwn) {
  std::string why;
  const std::unique_ptr<CublasLt> blas = CublasLt::open(why);
  ASSERT_NE(blas, nullptr) << why;
  emulated_cublas::asked().clear();
  emulated_cublas::refuse([](int64_t chosen_for, int64_t tokens) {
    return tokens > chosen_for || (tokens == 200 && chosen_for != 200);
  });
  const LtShape shape = shape_of(8, 8);
  blas->choose(shape, 129, 256);
  std::vector<int64_t> tokens;
  for (const emulated_cublas::Asked& asked : emulated_cublas::asked())
    tokens.push_back(asked.tokens);
  EXPECT_EQ(tokens, (std::vector<int64_t>{256, 200, 256}));
  EXPECT_EQ(blas->first_uses(), (std::vector<int64_t>{129, 200}));
  Arena arena(0);
  arena.reserve((size_t{1} << 20) + CublasLt::kWorkspaceBytes);
  void* const zeros = arena.take(size_t{256} * 8 * 2);
  void* const workspace = arena.take(CublasLt::kWorkspaceBytes);
  Stream stream;
  for (const int64_t n : {129, 200, 201, 256})
    blas->multiply({.shape = shape, .weights = zeros, .x = zeros, .y = zeros, .tokens = n},
                   workspace, stream.get());
  emulated_cublas::refuse(nullptr);
}

TEST(CublasLt, AProductThatFailsNamesTheCallAndTheStatus) {
  std::string why;
  const std::unique_ptr<CublasLt> blas = CublasLt::open(why);
  ASSERT_NE(blas, nullptr) << why;
  const LtShape shape = shape_of(8, 8);
  blas->choose(shape, 1, 8);
  emulated_cublas::fail(CUBLAS_STATUS_EXECUTION_FAILED);
  try {
    blas->multiply({.shape = shape, .tokens = 8}, nullptr, nullptr);
    ADD_FAILURE();
  } catch (const DeviceError& e) {
    EXPECT_STREQ(e.what(), "cuBLASLt: cublasLtMatmul failed with status 13");
  }
  emulated_cublas::fail(CUBLAS_STATUS_SUCCESS);
}

TEST(CublasLt, SaysWhichNumbersOfTokensAreNewToIt) {
  std::string why;
  const std::unique_ptr<CublasLt> blas = CublasLt::open(why);
  ASSERT_NE(blas, nullptr) << why;
  EXPECT_TRUE(blas->first_uses().empty());
  blas->choose(shape_of(8, 8), 100, 300);
  blas->choose(shape_of(16, 8), 200, 300);
  EXPECT_EQ(blas->first_uses(), (std::vector<int64_t>{100, 129, 200, 257}));
}

}  // namespace
}  // namespace ember::cuda
