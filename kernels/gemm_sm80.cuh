// SPDX-License-Identifier: Apache-2.0
// Product for compute capability 8.0 and later without Hopper's instructions: mma.sync, weights and
// tokens through cp.async. The weights are the M side, the tokens the N side, so that few tokens
// waste little.
//
// Every sum over `in` is made of two: that of the first halves of all blocks of 64 columns, and
// that of the second halves. One warp makes both, or two warps one each.
#pragma once

#include "ember/base/integers.h"
#include "kernels/common/launch.h"
#include "kernels/common/layout.h"
#include "kernels/gemm_epilogue.cuh"
#include "kernels/gemm_variants.h"

namespace ember::kernels {

// Tile shapes: rows of weights x tokens. Few tokens need many bytes in flight and little else. For
// more, two groups of warps keep the tensor cores busy, of which each makes one half of the sums:
// 64 x 64 still gives a matrix with few rows a CTA for most multiprocessors, 128 x 128 reads least,
// where there are tiles enough.
template <int kRows_, int kTokens_>
struct GemmTile80 {
  static constexpr int kRows = kRows_, kTokens = kTokens_;
  static constexpr int kWarpRows = kTokens >= 64 ? 32 : 16,
                       kWarpTokens = kTokens >= 64 ? kTokens / 2 : kTokens;
  static constexpr int kGroups = kTokens >= 64 ? 2 : 1;  // of warps, by the half of a sum they make
  static constexpr int kSums = 2 / kGroups;              // that a warp makes
  static constexpr int kRowWarps = kRows / kWarpRows,
                       kGroupWarps = kRowWarps * (kTokens / kWarpTokens),
                       kThreads = kGroupWarps * kGroups * 32;
  static constexpr int kCtasPerSm = kTokens == 128 ? 1 : 2;
  static constexpr int kWeightBytes = kRows * 128, kStageBytes = kWeightBytes + kTokens * 128;
  static constexpr int kFit = (kTokens == 128 ? 96 : kTokens == 64 ? 80 : 72) * 1024 / kStageBytes;
  static constexpr int kStages = kFit < 8 ? kFit : 8;
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

// A warp's sums: pieces of 16 rows x 8 tokens.
template <class Tile>
struct GemmSums80 {
  static constexpr int kSlices = Tile::kWarpRows / 16, kPieces = Tile::kWarpTokens / 8;
  float v[kSlices][kPieces][4] = {};

  EMBER_DEVICE float4 piece(int slice, int i) const {
    return make_float4(v[slice][i][0], v[slice][i][1], v[slice][i][2], v[slice][i][3]);
  }
};

// The products of one half (32 columns from `column` on) of a block for the warp whose tile begins
// at (row, token) of the CTA's.
template <class T, class Tile>
EMBER_DEVICE void multiply_half(uint32_t weights, uint32_t tokens, int row, int token, int column,
                                int lane, GemmSums80<Tile>& sums) {
  using Sums = GemmSums80<Tile>;
  uint32_t a[Sums::kSlices][2][4];
#pragma unroll
  for (int slice = 0; slice < Sums::kSlices; ++slice) {
#pragma unroll
    for (int step = 0; step < 2; ++step)
      ldmatrix_x4(
          weights + static_cast<uint32_t>(image_offset<64>(row + slice * 16 + lane % 16,
                                                           column + step * 16 + lane / 16 * 8) *
                                          2),
          a[slice][step]);
  }
#pragma unroll
  for (int i = 0; i < Sums::kPieces; ++i) {
    uint32_t b[4];
    ldmatrix_x4(tokens + static_cast<uint32_t>(
                             image_offset<64>(token + i * 8 + lane % 8, column + lane / 8 * 8) * 2),
                b);
#pragma unroll
    for (int slice = 0; slice < Sums::kSlices; ++slice) {
      mma_16x8x16<T>(sums.v[slice][i], a[slice][0], b[0], b[1]);
      mma_16x8x16<T>(sums.v[slice][i], a[slice][1], b[2], b[3]);
    }
  }
}

// Two groups of warps have the halves of the same sums: each adds up one slice of 16 rows, and
// gives the other slice's to the other group, through `memory`.
template <class T, Epilogue kEpilogue, class Tile>
EMBER_DEVICE void add_halves(const GemmOutput& output, uint8_t* memory, int row, int token,
                             int group, int warp, int lane, const GemmSums80<Tile>& sums) {
  using Sums = GemmSums80<Tile>;
  static_assert(Sums::kSlices == 2);
  constexpr int kBatch = 4;  // at a time, for the registers
  Addends addends[kBatch];
  const auto load = [&](int first) {
#pragma unroll
    for (int i = 0; i < kBatch; ++i)
      addends[i] =
          load_addends<T, kEpilogue>(output, row + group * 16, token + (first + i) * 8, lane);
  };
  load(0);
  const auto place = [&](int slice, int i) -> float4& {
    return reinterpret_cast<float4*>(
        memory)[((slice * Tile::kGroupWarps + warp) * Sums::kPieces + i) * 32 + lane];
  };
  __syncthreads();  // nobody reads the stages any more
#pragma unroll
  for (int i = 0; i < Sums::kPieces; ++i)
    place(1 - group, i) = group == 0 ? sums.piece(1, i) : sums.piece(0, i);
  __syncthreads();
#pragma unroll
  for (int i = 0; i < Sums::kPieces; ++i) {
    if (i > 0 && i % kBatch == 0) load(i);
    const float4 mine = group == 0 ? sums.piece(0, i) : sums.piece(1, i);
    emit<T, kEpilogue>(output, row + group * 16, token + i * 8, add(mine, place(group, i)),
                       addends[i % kBatch], lane);
  }
}

template <class T, Epilogue kEpilogue, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kCtasPerSm)
    gemm_sm80_kernel(const __grid_constant__ GemmArgs80 args) {
  using Sums = GemmSums80<Tile>;
  EMBER_DYNAMIC_SHARED(memory);
  launch_dependents();
  wait_for_dependencies();
  const uint32_t base = shared_address(memory);
  const int lane = static_cast<int>(threadIdx.x) % 32,
            warp = static_cast<int>(threadIdx.x) / 32 % Tile::kGroupWarps,
            group = static_cast<int>(threadIdx.x) / 32 / Tile::kGroupWarps;
  const int warp_row = warp % Tile::kRowWarps * Tile::kWarpRows,
            warp_token = warp / Tile::kRowWarps * Tile::kWarpTokens;
  const int token_tiles = ceil_div(args.output.tokens, Tile::kTokens),
            blocks = ceil_div(args.in, 64);
  const int row = static_cast<int>(blockIdx.x) / token_tiles * Tile::kRows,
            token = static_cast<int>(blockIdx.x) % token_tiles * Tile::kTokens;

  const auto load = [&](int block) {
    if (block < blocks) {
      const uint32_t stage =
          base + static_cast<uint32_t>(block % Tile::kStages * Tile::kStageBytes);
      load_image<T, Tile::kRows, Tile::kThreads>(stage, static_cast<const T*>(args.weights),
                                                 args.in, row, args.output.out, block * 64,
                                                 args.in);
      load_image<T, Tile::kTokens, Tile::kThreads>(stage + Tile::kWeightBytes,
                                                   static_cast<const T*>(args.x), args.x_stride,
                                                   token, args.output.tokens, block * 64, args.in);
    }
    cp_async_commit();
  };

  Sums sums[Tile::kSums];
  for (int block = 0; block < Tile::kStages - 1; ++block) load(block);
  for (int block = 0; block < blocks; ++block) {
    cp_async_wait<Tile::kStages - 2>();
    __syncthreads();  // all threads see this block, and none reads the stage that is loaded next
    load(block + Tile::kStages - 1);
    const uint32_t weights =
                       base + static_cast<uint32_t>(block % Tile::kStages * Tile::kStageBytes),
                   tokens = weights + Tile::kWeightBytes;
#pragma unroll
    for (int i = 0; i < Tile::kSums; ++i)
      multiply_half<T, Tile>(weights, tokens, warp_row, warp_token, (group + i) * 32, lane,
                             sums[i]);
  }
  cp_async_wait<0>();
  GemmOutput output = args.output;
  output.y_stride = opaque(output.y_stride);
  const int first_row = opaque(row + warp_row), first_token = opaque(token + warp_token);
  if constexpr (Tile::kGroups == 2) {
    add_halves<T, kEpilogue, Tile>(output, memory, first_row, first_token, group, warp,
                                   opaque(lane), sums[0]);
  } else {
    emit_row<T, kEpilogue, Sums::kPieces>(output, first_row, first_token, opaque(lane), [&](int i) {
      return add(sums[0].piece(0, i), sums[1].piece(0, i));
    });
  }
}

template <class T, Epilogue kEpilogue, class Tile>
void launch_gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  const GemmArgs80 args{
      {y, y_stride, w.bias, scale, x.rows, w.out}, w.data, x.data, x.stride, w.in};
  const int tiles = ceil_div(w.out, Tile::kRows) * ceil_div(x.rows, Tile::kTokens);
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(tiles)),
          .threads = Tile::kThreads,
          .shared_bytes = Tile::kSharedBytes},
         gemm_sm80_kernel<T, kEpilogue, Tile>, args);
}

template <class T, Epilogue kEpilogue>
void choose_gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  const auto run = [&]<class Tile>(Tile) {
    launch_gemm_sm80<T, kEpilogue, Tile>(stream, w, x, y, y_stride, scale);
  };
  if (x.rows <= 8)
    run(GemmTile80<64, 8>());
  else if (x.rows <= 32)
    run(GemmTile80<64, 32>());
  else if (x.rows <= 64 || ceil_div(w.out, 128) * ceil_div(x.rows, 128) < stream.num_sms)
    run(GemmTile80<64, 64>());
  else
    run(GemmTile80<128, 128>());
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
