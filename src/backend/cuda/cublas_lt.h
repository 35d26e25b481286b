// SPDX-License-Identifier: Apache-2.0
// cuBLASLt for matrices times many tokens. The library is found when the program runs, or is not
// there.
#pragma once

#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ember/base/dtype.h"

namespace ember::cuda {

// All that decides how a product is computed, but the number of tokens. Strides in elements.
struct LtShape {
  DType dtype = DType::kF16;  // of weights, bias, x and y; sums are float32
  int64_t in = 0, out = 0;
  int64_t w_stride = 0, x_stride = 0, y_stride = 0;  // from row to row
  bool bias = false;
  bool add = false;  // to what y holds

  auto operator<=>(const LtShape&) const = default;
};

// y[t, o] = scale * sum_i x[t, i] * w[o, i] + bias[o], or that added to y[t, o].
struct LtProblem {
  LtShape shape;
  const void* weights = nullptr;  // [out, in]
  const void* bias = nullptr;     // [out]; null exactly if the shape has none
  const void* x = nullptr;        // [tokens, in]
  void* y = nullptr;              // [tokens, out]
  float scale = 1;
  int64_t tokens = 0;
};

// Used by one thread.
class CublasLt {
 public:
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;
  static constexpr int64_t kBucketTokens = 128;

  // Null when the library of the version that this program was built for is not found. `why` is
  // then a message with the names that were tried.
  static std::unique_ptr<CublasLt> open(std::string& why);
  virtual ~CublasLt() = default;

  // Start-up: chooses an algorithm for each number of tokens from `first` to `last`, the same one
  // for kBucketTokens neighbours where it can compute all of them. Replaces what was chosen for the
  // shape before. Throws std::runtime_error where there is none.
  virtual void choose(const LtShape& shape, int64_t first, int64_t last) = 0;
  // Numbers of tokens, ascending, for each of which some shape takes an algorithm that it takes for
  // no smaller one: the library loads code when these are computed for the first time.
  virtual std::vector<int64_t> first_uses() const = 0;
  // The shape and number of tokens must have been chosen for. workspace: kWorkspaceBytes of the
  // device. Throws DeviceError naming cuBLAS's status.
  virtual void multiply(const LtProblem& problem, void* workspace, cudaStream_t stream) = 0;
};

}  // namespace ember::cuda
