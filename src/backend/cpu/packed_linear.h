// SPDX-License-Identifier: Apache-2.0
// A matrix in the order in which the kernels read it.
#pragma once

#include <span>

#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/thread_pool.h"
#include "ember/backend/backend.h"

namespace ember::cpu {

// 32 outputs side by side, so that each is one lane's sum over `in`; packed_index tells where a
// weight lies.
struct PackedLinear {
  DType dtype = DType::kF32;
  int64_t in = 0, out = 0;
  void* weights = nullptr;
  float* bias = nullptr;  // [ceil(out / 32) * 32]; null: none

  int64_t blocks() const { return round_up(out, kBlockOutputs) / kBlockOutputs; }
  static size_t bytes(DType dtype, int64_t out, int64_t in, bool bias);
};

// Arguments as Backend::make_linear. All weights have one type and one number of columns. Each page
// is first touched by the thread that packs it.
PackedLinear pack(std::span<const Tensor> weights, std::span<const Tensor> biases, Arena& arena,
                  ThreadPool& pool);

// Copies row `row` of the matrix to y[in], as floats.
void unpack_row(const PackedLinear& matrix, int64_t row, float* y);

// Element i of a contiguous tensor.
float to_float(const Tensor& tensor, int64_t i);

}  // namespace ember::cpu
