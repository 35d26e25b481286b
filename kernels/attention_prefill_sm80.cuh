// SPDX-License-Identifier: Apache-2.0
// Chunked causal prefill attention over the paged cache for compute capability 8.0 and later:
// mma.sync, cp.async. 64 query rows (tokens x the heads of a group), 16 per warp or pair of warps;
// a tile of keys is one page. K and V have one buffer each: the next K is loaded under softmax and
// P V, the next V under Q K^T. Pages go from the last to the first.
#pragma once

#include "kernels/attention_plan.h"
#include "kernels/common/launch.h"
#include "kernels/common/numeric.cuh"
#include "kernels/softmax.cuh"

namespace ember::kernels {

template <int kHeadDim_>
struct PrefillShape80 {
  static constexpr int kHeadDim = kHeadDim_, kRows = kPrefillRowsSm80;
  // Dimensions of the output per warp. For the widest heads two warps share 16 rows (both compute
  // their scores): one has no registers for all.
  static constexpr int kDims = kHeadDim > 128 ? kHeadDim / 2 : kHeadDim;
  static constexpr int kKeyUnroll = kHeadDim > 128 ? 1 : kHeadDim / 32;
  static constexpr int kThreads = kRows / 16 * (kHeadDim / kDims) * 32;
  static constexpr int kColumns = image_columns(kHeadDim);
  static constexpr int kTileBytes = kBlockTokens * kHeadDim * 2;  // of Q, K and V alike
  static constexpr int kSharedBytes = 3 * kTileBytes;
  static constexpr int kCtasPerSm = kHeadDim > 128 ? 1 : 2;  // that have registers
};

template <class T, class Shape>
EMBER_DEVICE void load_query_rows(const AttentionArgs<T>& args, const PrefillTile& tile,
                                  int kv_head, uint32_t to) {
  constexpr int kChunks = Shape::kHeadDim / 8;
  for (int i = static_cast<int>(threadIdx.x); i < Shape::kRows * kChunks; i += Shape::kThreads) {
    const int row = i / kChunks, column = i % kChunks * 8, token = row / args.cut.group,
              head = kv_head * args.cut.group + row % args.cut.group;
    const bool valid = token < tile.tokens;
    const T* from = args.qkv + (valid ? static_cast<int64_t>(tile.row + token) * args.qkv_stride +
                                            head * Shape::kHeadDim + column
                                      : 0);
    cp_async_16(to + static_cast<uint32_t>(kv_slab_offset<Shape::kHeadDim>(row, column) * 2), from,
                valid);
  }
}

template <class T, class Shape>
EMBER_DEVICE void load_slab(uint32_t to, const T* slab) {
  const auto* from = reinterpret_cast<const uint8_t*>(slab);
  for (int at = static_cast<int>(threadIdx.x) * 16; at < Shape::kTileBytes;
       at += Shape::kThreads * 16)
    cp_async_16(to + static_cast<uint32_t>(at), from + at);
}

// 16 query rows of a warp; a lane has rows l / 4 and 8 further, as SoftmaxRows says.
template <class T, class Shape>
struct PrefillState80 {
  static constexpr int kHeadDim = Shape::kHeadDim, kDims = Shape::kDims;
  float scores[kBlockTokens / 2], sums[kDims / 2];
  SoftmaxRows softmax;

  EMBER_DEVICE PrefillState80() {
#pragma unroll
    for (float& sum : sums) sum = 0;
  }

  EMBER_DEVICE void multiply_keys(uint32_t q, uint32_t keys, int row_tile, int lane) {
#pragma unroll
    for (float& score : scores) score = 0;
#pragma unroll(Shape::kKeyUnroll)
    for (int k = 0; k < kHeadDim; k += 32) {
      uint32_t a[2][4];
#pragma unroll
      for (int step = 0; step < 2; ++step) {
        ldmatrix_x4(
            q + static_cast<uint32_t>(kv_slab_offset<kHeadDim>(row_tile * 16 + lane % 16,
                                                               k + step * 16 + lane / 16 * 8) *
                                      2),
            a[step]);
      }
#pragma unroll
      for (int group = 0; group < kBlockTokens / 8; ++group) {
        uint32_t b[4];
        ldmatrix_x4(
            keys + static_cast<uint32_t>(
                       kv_slab_offset<kHeadDim>(group * 8 + lane % 8, k + lane / 8 * 8) * 2),
            b);
        mma_16x8x16<T>(scores + group * 4, a[0], b[0], b[1]);
        mma_16x8x16<T>(scores + group * 4, a[1], b[2], b[3]);
      }
    }
  }

  EMBER_DEVICE void add_keys(float scale) {
    float keep[2];
    softmax.add(scores, scale, keep);
    SoftmaxRows::rescale(sums, keep);
  }

  EMBER_DEVICE void multiply_values(uint32_t values, int first_dim, int lane) {
#pragma unroll
    for (int k = 0; k < kBlockTokens / 16; ++k) {
      const float *left = scores + 8 * k, *right = left + 4;
      const uint32_t p[4] = {pack<T>(left[0], left[1]), pack<T>(left[2], left[3]),
                             pack<T>(right[0], right[1]), pack<T>(right[2], right[3])};
#pragma unroll
      for (int n = 0; n < kDims / 16; ++n) {
        uint32_t v[4];
        ldmatrix_x4_trans(values + static_cast<uint32_t>(
                                       kv_slab_offset<kHeadDim>(
                                           k * 16 + lane % 16, first_dim + n * 16 + lane / 16 * 8) *
                                       2),
                          v);
        mma_16x8x16<T>(sums + 8 * n, p, v[0], v[1]);
        mma_16x8x16<T>(sums + 8 * n + 4, p, v[2], v[3]);
      }
    }
  }

  EMBER_DEVICE void store(const AttentionArgs<T>& args, const PrefillTile& tile, int kv_head,
                          int row, int first_dim, int lane) {
    softmax.store<T>(sums, lane, [&](int r) -> T* {
      const int token = (row + r * 8) / args.cut.group, head = (row + r * 8) % args.cut.group;
      if (token >= tile.tokens) return nullptr;
      return args.out + static_cast<int64_t>(tile.row + token) * args.out_stride +
             (kv_head * args.cut.group + head) * kHeadDim + first_dim + lane % 4 * 8;
    });
  }
};

template <class T, class Shape>
__global__ void __launch_bounds__(Shape::kThreads)
    prefill_sm80_kernel(const __grid_constant__ AttentionArgs<T> args) {
  EMBER_DYNAMIC_SHARED(memory);
  launch_dependents();
  wait_for_dependencies();
  const uint32_t q = shared_address(memory), keys = q + Shape::kTileBytes,
                 values = keys + Shape::kTileBytes;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row_tile = warp % (Shape::kRows / 16), row = row_tile * 16 + lane / 4,
            first_dim = warp / (Shape::kRows / 16) * Shape::kDims;
  const int works = args.work.counts->prefill_tiles * args.num_kv_heads;
  for (int index = static_cast<int>(blockIdx.x); index < works;
       index += static_cast<int>(gridDim.x)) {
    const PrefillTile tile = args.work.tiles[index / args.num_kv_heads];
    const int kv_head = index % args.num_kv_heads;
    const int first_key = args.window > 0 ? max(0, tile.position - args.window + 1) : 0,
              end_key = tile.position + tile.tokens;
    const int first_page = first_key / kBlockTokens, last_page = (end_key - 1) / kBlockTokens;
    const int query[2] = {tile.position + row / args.cut.group,
                          tile.position + (row + 8) / args.cut.group};
    const int32_t* table = args.tables + static_cast<int64_t>(tile.seq) * args.table_stride;
    const auto load = [&](uint32_t to, int page, int kv) {
      if (page >= first_page)
        load_slab<T, Shape>(
            to, args.pool + kv_slab(table[page], kv, kv_head, args.num_kv_heads, Shape::kHeadDim));
      cp_async_commit();
    };
    PrefillState80<T, Shape> state;
    load_query_rows<T, Shape>(args, tile, kv_head, q);
    load(keys, last_page, 0);
    load(values, last_page, 1);
    for (int page = last_page; page >= first_page; --page) {
      cp_async_wait<1>();  // Q and K
      __syncthreads();
      state.multiply_keys(q, keys, row_tile, lane);
      __syncthreads();
      load(keys, page - 1, 0);
      SoftmaxRows::cap(state.scores, args.cap_scale);
      const int first = page * kBlockTokens, column = first + lane % 4 * 2;
      if (first + kBlockTokens - 1 > tile.position ||
          (args.window > 0 && first <= end_key - 1 - args.window)) {
        SoftmaxRows::mask(state.scores, {query[0] - column, query[1] - column}, args.window);
      }
      state.add_keys(args.scale);
      cp_async_wait<1>();  // V
      __syncthreads();
      state.multiply_values(values, first_dim, lane);
      __syncthreads();
      load(values, page - 1, 1);
    }
    cp_async_wait<0>();
    state.store(args, tile, kv_head, row, first_dim, lane);
  }
}

template <class T, int kHeadDim>
void launch_prefill_sm80(const StreamRef& stream, const AttentionArgs<T>& args) {
  using Shape = PrefillShape80<kHeadDim>;
  const int ctas = stream.num_sms * ctas_per_sm(stream, Shape::kSharedBytes, Shape::kCtasPerSm);
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(ctas)),
          .threads = Shape::kThreads,
          .shared_bytes = Shape::kSharedBytes},
         prefill_sm80_kernel<T, Shape>, args);
}

template <class T>
void prefill_sm80(const StreamRef& stream, const AttentionShape& shape,
                  const AttentionArgs<T>& args) {
  switch (shape.head_dim) {
    case 64:
      return launch_prefill_sm80<T, 64>(stream, args);
    case 96:
      return launch_prefill_sm80<T, 96>(stream, args);
    case 128:
      return launch_prefill_sm80<T, 128>(stream, args);
    default:
      return launch_prefill_sm80<T, 256>(stream, args);
  }
}

}  // namespace ember::kernels
