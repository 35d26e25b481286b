// SPDX-License-Identifier: Apache-2.0
// cuBLASLt for matrices times many tokens. The library is found when the program runs, or is not
// there.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>

#include "ember/base/dtype.h"

namespace ember::cuda {

// y[t, o] = sum_i x[t, i] * w[o, i] + bias[o], or that added to y[t, o]. All 16-bit of one type,
// float32 sums. Strides in elements.
struct LtProblem {
  DType dtype = DType::kF16;
  const void* weights = nullptr;  // [out, in], rows apart by w_stride
  int64_t w_stride = 0;
  const void* bias = nullptr;  // [out] or null
  const void* x = nullptr;
  int64_t x_stride = 0;
  void* y = nullptr;
  int64_t y_stride = 0;
  int64_t tokens = 0, in = 0, out = 0;
  bool add = false;
};

// Used by one thread.
class CublasLt {
 public:
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

  // Null where there is no library of the version this program was built for; `why` says what was
  // tried.
  static std::unique_ptr<CublasLt> open(std::string& why);
  virtual ~CublasLt() = default;

  // workspace: kWorkspaceBytes of the device. Throws StartError(kNoDevice) naming cuBLAS's status.
  virtual void multiply(const LtProblem& problem, void* workspace, cudaStream_t stream) = 0;
};

}  // namespace ember::cuda
