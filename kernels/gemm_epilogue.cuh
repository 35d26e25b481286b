// SPDX-License-Identifier: Apache-2.0
// What happens to a finished tile of a product whose rows are weights and whose columns are tokens,
// the same on every architecture.
#pragma once

#include "kernels/common/numeric.cuh"
#include "kernels/gate.cuh"
#include "kernels/gemm.h"

namespace ember::kernels {

struct GemmOutput {
  void* y;
  int64_t y_stride;
  const float* bias;
  float scale;
  int tokens, out;
};

template <class T>
EMBER_DEVICE void store_pair(T* to, int column, int columns, uint32_t pair) {
  if (column + 1 < columns)
    *reinterpret_cast<uint32_t*>(to + column) = pair;
  else if (column < columns)
    to[column] = from_float<T>(unpack<T>(pair).x);
}

template <class T>
EMBER_DEVICE uint32_t load_pair(const T* from, int column, int columns) {
  if (column + 1 < columns) return *reinterpret_cast<const uint32_t*>(from + column);
  return column < columns ? pack<T>(to_float(from[column]), 0.0f) : 0;
}

// One warp's piece of 16 weight rows x 8 tokens: lane l has rows row + l / 4 (v.x, v.y) and 8
// further (v.z, v.w), tokens token + 2 (l % 4) (v.x, v.z) and the next. movmatrix makes it
// token-major, two neighbouring columns of y per lane.
template <class T, Epilogue kEpilogue>
EMBER_DEVICE void emit(const GemmOutput& out, int row, int token, float4 v, int lane) {
  const int upper = row + lane / 4, lower = upper + 8;
  if (out.bias != nullptr) {
    const float a = upper < out.out ? out.bias[upper] : 0.0f,
                b = lower < out.out ? out.bias[lower] : 0.0f;
    v = make_float4(v.x + a, v.y + a, v.z + b, v.w + b);
  }
  // Never fused with an addition: tiles for other numbers of tokens have the same bits.
  v = make_float4(__fmul_rn(v.x, out.scale), __fmul_rn(v.y, out.scale), __fmul_rn(v.z, out.scale),
                  __fmul_rn(v.w, out.scale));
  if constexpr (kEpilogue == Epilogue::kLogits) {
    const int t = token + lane % 4 * 2;
    float* y = static_cast<float*>(out.y) + t * out.y_stride;
    if (t < out.tokens && upper < out.out) y[upper] = v.x;
    if (t < out.tokens && lower < out.out) y[lower] = v.z;
    if (t + 1 < out.tokens && upper < out.out) y[out.y_stride + upper] = v.y;
    if (t + 1 < out.tokens && lower < out.out) y[out.y_stride + lower] = v.w;
    return;
  }
  const int t = token + lane / 4, first = lane % 4 * 2;  // after the transposition
  const bool valid = t < out.tokens;
  T* y = static_cast<T*>(out.y) + t * out.y_stride;
  if constexpr (is_gated(kEpilogue)) {
    const auto open = [](float g) {
      return kEpilogue == Epilogue::kGeluMul ? gelu_tanh(g) : silu(g);
    };
    const uint32_t pair = movmatrix_trans(pack<T>(open(v.x) * v.z, open(v.y) * v.w));
    if (valid) store_pair(y, row / 2 + first, out.out / 2, pair);
    return;
  }
  const int column = row + first;
  if constexpr (kEpilogue == Epilogue::kAdd) {
    const float2 old_upper = unpack<T>(movmatrix_trans(valid ? load_pair(y, column, out.out) : 0));
    const float2 old_lower =
        unpack<T>(movmatrix_trans(valid ? load_pair(y, column + 8, out.out) : 0));
    v = make_float4(v.x + old_upper.x, v.y + old_upper.y, v.z + old_lower.x, v.w + old_lower.y);
  }
  const uint32_t upper_pair = movmatrix_trans(pack<T>(v.x, v.y)),
                 lower_pair = movmatrix_trans(pack<T>(v.z, v.w));
  if (valid) store_pair(y, column, out.out, upper_pair);
  if (valid) store_pair(y, column + 8, out.out, lower_pair);
}

}  // namespace ember::kernels
