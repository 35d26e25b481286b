// SPDX-License-Identifier: Apache-2.0
// Product for compute capability 8.0 and later without Hopper's instructions: mma.sync, weights and
// tokens through cp.async. The weights are the M side (16 rows per warp), the tokens the N side, so
// that few tokens waste little; `in` is never split.
#pragma once

#include "ember/base/integers.h"
#include "kernels/common/launch.h"
#include "kernels/common/layout.h"
#include "kernels/gemm_epilogue.cuh"
#include "kernels/gemm_variants.h"

namespace ember::kernels {

template <int kTokens_>
struct GemmTile80 {
  static constexpr int kTokens = kTokens_;
  static constexpr int kWarps = kTokens >= 128 ? 8 : 4, kThreads = kWarps * 32;
  static constexpr int kRows = kWarps * 16;  // of weights
  static constexpr int kStages = kTokens >= 128 ? 3 : 4;
  static constexpr int kWeightBytes = kRows * 128, kStageBytes = kWeightBytes + kTokens * 128;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static_assert(kSharedBytes <= 99 * 1024, "what a CTA may have on 8.6 and 8.9");
};

struct GemmArgs80 {
  GemmOutput output;
  const void* weights;
  const void* x;
  int64_t x_stride;
  int in;
};

// Rows row .. row + kRows - 1, columns column .. column + 63 of a row-major matrix, as a swizzled
// image; zeros outside.
template <class T, int kRows, int kThreads>
EMBER_DEVICE void load_image(uint32_t to, const T* from, int64_t stride, int row, int rows,
                             int column, int columns) {
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < kRows * 8; i += kThreads) {
    const int r = i / 8, c = i % 8 * 8;
    const bool valid = row + r < rows && column + c < columns;
    const T* source = valid ? from + (row + r) * stride + column + c : from;
    cp_async_16(to + static_cast<uint32_t>(image_offset<64>(r, c) * 2), source, valid);
  }
}

template <class T, Epilogue kEpilogue, int kTokens>
__global__ void __launch_bounds__(GemmTile80<kTokens>::kThreads)
    gemm_sm80_kernel(const __grid_constant__ GemmArgs80 args) {
  using Tile = GemmTile80<kTokens>;
  constexpr int kTokenGroups = kTokens / 8;
  EMBER_DYNAMIC_SHARED(memory);
  launch_dependents();
  wait_for_dependencies();
  const uint32_t base = shared_address(memory);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int token_tiles = ceil_div(args.output.tokens, kTokens), blocks = ceil_div(args.in, 64);
  const int row = static_cast<int>(blockIdx.x) / token_tiles * Tile::kRows,
            token = static_cast<int>(blockIdx.x) % token_tiles * kTokens;

  const auto load = [&](int block) {
    if (block < blocks) {
      const uint32_t stage =
          base + static_cast<uint32_t>(block % Tile::kStages * Tile::kStageBytes);
      load_image<T, Tile::kRows, Tile::kThreads>(stage, static_cast<const T*>(args.weights),
                                                 args.in, row, args.output.out, block * 64,
                                                 args.in);
      load_image<T, kTokens, Tile::kThreads>(stage + Tile::kWeightBytes,
                                             static_cast<const T*>(args.x), args.x_stride, token,
                                             args.output.tokens, block * 64, args.in);
    }
    cp_async_commit();
  };

  float sums[kTokenGroups][4] = {};
  for (int block = 0; block < Tile::kStages - 1; ++block) load(block);
  for (int block = 0; block < blocks; ++block) {
    cp_async_wait<Tile::kStages - 2>();
    __syncthreads();  // all threads see this block, and none reads the stage that is loaded next
    load(block + Tile::kStages - 1);
    const uint32_t weights =
                       base + static_cast<uint32_t>(block % Tile::kStages * Tile::kStageBytes),
                   tokens = weights + Tile::kWeightBytes;
#pragma unroll
    for (int k = 0; k < 64; k += 32) {
      uint32_t a[2][4];
#pragma unroll
      for (int step = 0; step < 2; ++step) {
        ldmatrix_x4(
            weights +
                static_cast<uint32_t>(
                    image_offset<64>(warp * 16 + lane % 16, k + step * 16 + lane / 16 * 8) * 2),
            a[step]);
      }
#pragma unroll
      for (int group = 0; group < kTokenGroups; ++group) {
        uint32_t b[4];
        ldmatrix_x4(tokens + static_cast<uint32_t>(
                                 image_offset<64>(group * 8 + lane % 8, k + lane / 8 * 8) * 2),
                    b);
        mma_16x8x16<T>(sums[group], a[0], b[0], b[1]);
        mma_16x8x16<T>(sums[group], a[1], b[2], b[3]);
      }
    }
  }
  cp_async_wait<0>();
#pragma unroll
  for (int group = 0; group < kTokenGroups; ++group) {
    emit<T, kEpilogue>(args.output, row + warp * 16, token + group * 8,
                       make_float4(sums[group][0], sums[group][1], sums[group][2], sums[group][3]),
                       lane);
  }
}

template <class T, Epilogue kEpilogue, int kTokens>
void launch_gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  using Tile = GemmTile80<kTokens>;
  const GemmArgs80 args{
      {y, y_stride, w.bias, scale, x.rows, w.out}, w.data, x.data, x.stride, w.in};
  const int tiles = ceil_div(w.out, Tile::kRows) * ceil_div(x.rows, kTokens);
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(tiles)),
          .threads = Tile::kThreads,
          .shared_bytes = Tile::kSharedBytes},
         gemm_sm80_kernel<T, kEpilogue, kTokens>, args);
}

template <class T, Epilogue kEpilogue>
void choose_gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  if (x.rows <= 8)
    launch_gemm_sm80<T, kEpilogue, 8>(stream, w, x, y, y_stride, scale);
  else if (x.rows <= 32)
    launch_gemm_sm80<T, kEpilogue, 32>(stream, w, x, y, y_stride, scale);
  else
    launch_gemm_sm80<T, kEpilogue, 128>(stream, w, x, y, y_stride, scale);
}

template <class T>
void gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
               Epilogue epilogue, float scale) {
  switch (epilogue) {
    case Epilogue::kStore:
      return choose_gemm_sm80<T, Epilogue::kStore>(stream, w, x, y, y_stride, scale);
    case Epilogue::kAdd:
      return choose_gemm_sm80<T, Epilogue::kAdd>(stream, w, x, y, y_stride, scale);
    case Epilogue::kSiluMul:
      return choose_gemm_sm80<T, Epilogue::kSiluMul>(stream, w, x, y, y_stride, scale);
    case Epilogue::kLogits:
      return choose_gemm_sm80<T, Epilogue::kLogits>(stream, w, x, y, y_stride, scale);
    case Epilogue::kGeluMul:
      return choose_gemm_sm80<T, Epilogue::kGeluMul>(stream, w, x, y, y_stride, scale);
  }
}

}  // namespace ember::kernels
