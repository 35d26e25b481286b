// SPDX-License-Identifier: Apache-2.0
// The small kernels around the matrices and attention: embedding, norms, RoPE with the write to the
// cache, activation, copies.
//
// All are enqueued on the stream and return at once; conventions (padding, cache layout,
// invariance) are those of kernels/common. Widths are arbitrary; multiples of 8 take 16-byte loads.
// float32 arithmetic, one rounding to `dtype` (kF16 or kBF16) at each store. Norm weights and
// tables are float32. Index arrays are int32 in device memory, written before the step's first
// kernel starts. A launch that the device cannot run throws std::runtime_error naming the limit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common.h"

namespace ember::kernels {

// y[t] = scale * table[id]; id = ids[t] where that is >= 0, else previous[-1 - ids[t]]: the token
// sampled for a row of the step launched before, which only the device knows yet. Rows of ids
// outside [0, vocab) are zero. `previous` may be null where no id is negative.
void embed(const StreamRef& stream, DType dtype, Rows y, const void* table, int64_t table_stride,
           int vocab, const int32_t* ids, const int32_t* previous, float scale = 1);

// y = x / sqrt(mean(x^2) + eps) * w, row by row; y may be x. At most 65536 columns. A
// null w is no norm: y = x. So below.
void rms_norm(const StreamRef& stream, DType dtype, Rows y, Rows x, const float* w, float eps);

// residual += x; y = rms_norm(residual), of the residual as it was rounded. y may be x.
void add_rms_norm(const StreamRef& stream, DType dtype, Rows y, Rows residual, Rows x,
                  const float* w, float eps);

// RMSNorm of each query and key head, weights float[head_dim]; null wq: none.
struct HeadNorm {
  const float* wq = nullptr;
  const float* wk = nullptr;
  float eps = 0;
};

struct RopeSpec {
  int num_heads = 0, num_kv_heads = 0;
  int head_dim = 0;          // a multiple of 32, at most 256
  int rotary_dim = 0;        // even; the first rotary_dim of head_dim are rotated
  bool interleaved = false;  // rotated pairs are (2i, 2i+1) instead of (i, i + rotary_dim/2)
};

// qkv rows are [num_heads | num_kv_heads | num_kv_heads] * head_dim. Normalises q and k (where
// `norm` has weights), rotates them, writes q in place and k and v into one layer's pool
// (layout.h); nothing is rounded in between. positions[t]: row of cos_sin, float
// [positions][rotary_dim]: rotary_dim/2 cosines, then as many sines. slots[t] = block * 64 +
// offset; -1: nothing is stored. Tokens of a sequence are consecutive in the step. The writer of a
// block's first token zeroes the rows of its V slab that this step does not write, so that
// attention's 0 * v is 0 in rows not yet written.
void rope_and_store(const StreamRef& stream, DType dtype, Rows qkv, const float* cos_sin,
                    const int32_t* positions, const int32_t* slots, void* kv_pool,
                    const RopeSpec& spec, const HeadNorm& norm = {});

// y[t, i] = silu(gate i) * up i, i < y.columns, which is a multiple of 8. A row of gate_up holds 8
// gates, their 8 ups, the next 8 gates, ... (gemm.h, Epilogue::kSiluMul).
void silu_mul(const StreamRef& stream, DType dtype, Rows y, const void* gate_up,
              int64_t gate_up_stride);
// The same with gelu (gate.cuh).
void gelu_mul(const StreamRef& stream, DType dtype, Rows y, const void* gate_up,
              int64_t gate_up_stride);

// x[i] = cap * tanh(x[i] / cap), in place: float32, columns of a row side by side, rows `stride`
// floats apart.
void softcap(const StreamRef& stream, float* x, int64_t stride, int rows, int columns, float cap);

// y[i] = x[rows[i]], bit for bit; a negative row leaves y[i] as it is.
void gather_rows(const StreamRef& stream, Rows y, Rows x, const int32_t* rows);

}  // namespace ember::kernels
