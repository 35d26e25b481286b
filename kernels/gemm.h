// SPDX-License-Identifier: Apache-2.0
// y = x w^T for few tokens: hand-written, batch-invariant (a row's bits do not depend on how many
// rows there are).
//
// sm_90a: swap-AB wgmma, any number of tokens; elsewhere mma.sync with cp.async. The parts of a sum
// depend on (out, in) only, and are added as a balanced tree: how many CTAs make them, which the
// tokens and the device decide, is not in the bits.
#pragma once

#include <cuda.h>

#include "kernels/common.h"

namespace ember::kernels {

enum class Epilogue : uint8_t {
  kStore,    // y = p, 16 bit, p = scale (x w^T + bias)
  kAdd,      // y += p: the residual stream
  kSiluMul,  // y[t, i] = silu(gate) * up; w's rows 16j .. 16j+7 are gate rows 8j .., rows 16j+8 ..
             // 16j+15 up rows 8j ..
  kLogits,   // y = p, float32
  kGeluMul,  // as kSiluMul, with gelu(gate)
};

// Numbers of tokens, one for each of the kernels that gemm() takes for one matrix and epilogue.
inline constexpr int kGemmTokens[] = {8, 16, 32, 64, 128, 256};

inline constexpr bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::kSiluMul || epilogue == Epilogue::kGeluMul;
}

// A weight matrix [out, in] row-major in device memory, and how it is multiplied. Made once at
// load; plain data afterwards, valid as long as the memory.
struct Matrix {
  const void* data = nullptr;
  const float* bias = nullptr;  // [out], may be null
  DType dtype = DType::kF16;
  int out = 0, in = 0;
  int split = 1;         // parts of the sum over `in`, which several CTAs may make (sm_90)
  CUtensorMap map = {};  // sm_90: boxes of 64 rows x 64 columns
};

// Throws std::runtime_error naming what exists when there is no variant for the device, type or
// shape: in % 8 == 0 (columns of zeros may be added), data 16-byte aligned, out % 16 == 0 for
// gated products.
Matrix make_matrix(const StreamRef& stream, const void* data, const float* bias, DType dtype,
                   int out, int in);

// x.columns == w.in; x.rows tokens. Row t of y begins at y + t * y_stride elements (16-bit ones;
// floats for kLogits) and has w.out columns, out / 2 for gated products. y is 16-byte aligned,
// y_stride % 8 == 0 (kLogits: any). No tokens: nothing happens.
void gemm(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
          Epilogue epilogue, float scale = 1);

}  // namespace ember::kernels
