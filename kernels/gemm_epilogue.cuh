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

EMBER_DEVICE float4 add(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

// Four neighbours; `column` is a multiple of four.
template <class T>
EMBER_DEVICE void store_quad(T* to, int column, int columns, uint2 quad) {
  if (column + 4 <= columns) {
    *reinterpret_cast<uint2*>(to + column) = quad;
  } else {
    store_pair(to, column, columns, quad.x);
    store_pair(to, column + 2, columns, quad.y);
  }
}

template <class T>
EMBER_DEVICE uint32_t load_pair(const T* from, int column, int columns) {
  if (column + 1 < columns) return *reinterpret_cast<const uint32_t*>(from + column);
  return column < columns ? pack<T>(to_float(from[column]), 0.0f) : 0;
}

template <class T>
EMBER_DEVICE uint2 load_quad(const T* from, int column, int columns) {
  if (column + 4 <= columns) return *reinterpret_cast<const uint2*>(from + column);
  return make_uint2(load_pair(from, column, columns), load_pair(from, column + 2, columns));
}

// Sixteen neighbours lie in four lanes q, either as two pairs, 2q and 8 + 2q (x and y), or as the
// four from 4q on, which are one access, 32 bytes of the four lanes together. Each of the two
// exchanges moves one of a lane's pairs to where it belongs.
EMBER_DEVICE uint2 quads_of_pairs(uint2 v, int lane) {
  const bool odd = lane % 2 != 0, high = lane % 4 >= 2;
  const int from = (lane & ~3) | (lane & 1) << 1 | (lane & 2) >> 1;
  const uint32_t a = __shfl_sync(~0u, odd ? v.y : v.x, from),
                 b = __shfl_sync(~0u, odd ? v.x : v.y, from ^ 1);
  return high ? make_uint2(b, a) : make_uint2(a, b);
}
EMBER_DEVICE uint2 pairs_of_quads(uint2 v, int lane) {
  const bool odd = lane % 2 != 0, high = lane % 4 >= 2;
  const int from = (lane & ~3) | (lane & 1) << 1 | (lane & 2) >> 1;
  const uint32_t a = __shfl_sync(~0u, high ? v.y : v.x, from),
                 b = __shfl_sync(~0u, high ? v.x : v.y, from ^ 2);
  return odd ? make_uint2(b, a) : make_uint2(a, b);
}

// What is added to a piece. It is loaded before the sums are needed, and for several pieces before
// any is stored: a load from y cannot pass a store to it.
struct Addends {
  float2 bias;  // of the lane's two rows
  uint2 old;    // kAdd: four columns of y
};

// Pieces are of 16 weight rows x 8 tokens, one warp's. See emit().
template <class T, Epilogue kEpilogue>
EMBER_DEVICE Addends load_addends(const GemmOutput& out, int row, int token, int lane) {
  const int upper = row + lane / 4, lower = upper + 8, t = token + lane / 4;
  Addends a = {};
  if (out.bias != nullptr)
    a.bias = make_float2(upper < out.out ? out.bias[upper] : 0.0f,
                         lower < out.out ? out.bias[lower] : 0.0f);
  if constexpr (kEpilogue == Epilogue::kAdd) {
    if (t < out.tokens)
      a.old =
          load_quad(static_cast<const T*>(out.y) + t * out.y_stride, row + lane % 4 * 4, out.out);
  }
  return a;
}

// Lane l has rows row + l / 4 (v.x, v.y) and 8 further (v.z, v.w), tokens token + 2 (l % 4) (v.x,
// v.z) and the next. movmatrix makes it token-major, two neighbouring columns of y per lane.
template <class T, Epilogue kEpilogue>
EMBER_DEVICE void emit(const GemmOutput& out, int row, int token, float4 v, const Addends& a,
                       int lane) {
  const int upper = row + lane / 4, lower = upper + 8;
  v = make_float4(v.x + a.bias.x, v.y + a.bias.x, v.z + a.bias.y, v.w + a.bias.y);
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
  __syncwarp();  // the lanes loaded and stored by themselves; movmatrix wants them together
  const int t = token + lane / 4;  // after the transposition
  const bool valid = t < out.tokens;
  T* y = static_cast<T*>(out.y) + t * out.y_stride;
  if constexpr (is_gated(kEpilogue)) {
    const auto open = [](float g) {
      return kEpilogue == Epilogue::kGeluMul ? gelu_tanh(g) : silu(g);
    };
    const uint32_t pair = movmatrix_trans(pack<T>(open(v.x) * v.z, open(v.y) * v.w));
    if (valid) store_pair(y, row / 2 + lane % 4 * 2, out.out / 2, pair);
    return;
  }
  if constexpr (kEpilogue == Epilogue::kAdd) {
    const uint2 old = pairs_of_quads(a.old, lane);
    const float2 old_upper = unpack<T>(movmatrix_trans(old.x)),
                 old_lower = unpack<T>(movmatrix_trans(old.y));
    v = make_float4(v.x + old_upper.x, v.y + old_upper.y, v.z + old_lower.x, v.w + old_lower.y);
  }
  const uint2 pairs =
      make_uint2(movmatrix_trans(pack<T>(v.x, v.y)), movmatrix_trans(pack<T>(v.z, v.w)));
  const uint2 quad = quads_of_pairs(pairs, lane);
  if (valid) store_quad(y, row + lane % 4 * 4, out.out, quad);
}

// The pieces of one warp that lie side by side along the tokens, from `token` on: the sums of piece
// i are piece(i).
template <class T, Epilogue kEpilogue, int kPieces, class Piece>
EMBER_DEVICE void emit_row(const GemmOutput& out, int row, int token, int lane, Piece piece) {
  constexpr int kBatch = kPieces > 16 ? 1 : kPieces < 8 ? kPieces : 8;  // for the registers
#pragma unroll
  for (int first = 0; first < kPieces; first += kBatch) {
    Addends addends[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i)
      addends[i] = load_addends<T, kEpilogue>(out, row, token + (first + i) * 8, lane);
#pragma unroll
    for (int i = 0; i < kBatch; ++i)
      emit<T, kEpilogue>(out, row, token + (first + i) * 8, piece(first + i), addends[i], lane);
  }
}

}  // namespace ember::kernels
