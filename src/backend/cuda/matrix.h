// SPDX-License-Identifier: Apache-2.0
// A weight matrix on the device, as the kernels want it.
#pragma once

#include <span>

#include "cuda/memory.h"
#include "cuda/weight_upload.h"
#include "ember/backend/backend.h"
#include "kernels/gemm.h"

namespace ember::cuda {

struct Matrix {
  kernels::Matrix plan;          // in: padded with columns of zeros to a multiple of 8
  int64_t in = 0;                // of the model
  const void* bias16 = nullptr;  // [out] in the matrix's type, for cuBLAS; null: none
  Split split = Split::kNone;
};

// Of the arena.
size_t matrix_bytes(const Arena& arena, int64_t out, int64_t in, bool bias);

// Arguments as Backend::make_linear; gated rows are interleaved by eights as
// kernels::Epilogue::kSiluMul and kGeluMul want them. The host's tensors may be reused at once, the
// device's are ready after upload.wait(). Throws StartError(kBadModel) for a weight whose format is
// not that of `dtype`, std::runtime_error where the kernels have no variant.
Matrix make_matrix(Arena& arena, WeightUpload& upload, const kernels::StreamRef& queue, DType dtype,
                   std::span<const WeightView> weights, std::span<const Tensor> biases, bool gated);

// Which row of the stacked weights lies at row r of a gated matrix with `out` rows.
constexpr int64_t gated_row(int64_t r, int64_t out) {
  return r / 16 * 8 + r % 8 + (r % 16 < 8 ? 0 : out / 2);
}

}  // namespace ember::cuda
