// SPDX-License-Identifier: Apache-2.0
// What tests ask of the library that takes cuBLASLt's place on the emulated GPU: a shared library
// of its name with the functions that Ember calls, which multiplies by plain loops on the stream.
// It refuses what cuBLASLt would refuse or Ember does not mean.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace emulated_cublas {

// One question for an algorithm (cublasLtMatmulAlgoGetHeuristic).
struct Asked {
  int64_t out = 0, in = 0, tokens = 0;
  size_t workspace_bytes = 0;
  uint32_t reduction_schemes = 0;  // that are allowed, CUBLASLT_REDUCTION_SCHEME_*
};
// All of them, in order. May be cleared.
std::vector<Asked>& asked();

// Which numbers of tokens an algorithm that was asked for with `chosen_for` tokens cannot compute;
// by default those above that. Null: the default.
void refuse(std::function<bool(int64_t chosen_for, int64_t tokens)> refused);

// What each product returns from here on, nothing being done; CUBLAS_STATUS_SUCCESS: they work.
void fail(cublasStatus_t status);

}  // namespace emulated_cublas
