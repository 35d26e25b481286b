// SPDX-License-Identifier: Apache-2.0
// Checks and times the kernels for Llama-3-8B's shapes, against ceilings measured in the same run.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <string>
#include <vector>

#include "ember/base/dtype.h"

namespace ember::kernels::bench {

inline constexpr const char* kFamilies[] = {"ceilings", "cases",   "gemm", "decode",
                                            "prefill",  "overlap", "norm", "sample"};

// y[t, o] = sum_i x[t, i] * w[o, i]: all of `dtype`, rows behind each other.
struct Product {
  DType dtype = DType::kF16;
  const void *weights = nullptr, *x = nullptr;
  void* y = nullptr;
  int tokens = 0, in = 0, out = 0;
};

struct Options {
  DType dtype = DType::kF16;
  bool tiny = false;                  // shapes small enough for the emulated machine
  std::vector<std::string> families;  // some of kFamilies
  std::function<void(const Product&, cudaStream_t)>
      cublas;                                     // the product to compare with; empty: none
  std::function<void(const std::string&)> print;  // takes one line, JSON
};

// On the device that is this thread's. One line for each result that was checked, and for each
// timing: a captured graph of launches over rotating operands that exceed the L2 cache, best and
// median of its replays. False: a result was wrong. Throws std::runtime_error when CUDA fails.
bool run(const Options& options);

}  // namespace ember::kernels::bench
