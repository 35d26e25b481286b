// SPDX-License-Identifier: Apache-2.0
// Swap-AB product on Hopper: the weights are wgmma's M side (64 rows per warpgroup and step), the
// tokens its N side.
//
// One producer thread fills a ring of stages (a tile of weights and a tile of tokens, 64 columns of
// each, through TMA with zeros beyond the edges); two warpgroups multiply. The weights of the first
// stages are asked for before the programmatic dependency is waited for: that is constant data.
// With split > 1 the CTAs of a cluster each sum a part of `in` and add their parts up in rank order
// through distributed shared memory; with split == 1 the grid is as large as the device and each
// CTA takes several tiles.
#pragma once

#include "ember/base/integers.h"
#include "kernels/common/launch.h"
#include "kernels/common/pipeline.cuh"
#include "kernels/common/tensor_map.h"
#include "kernels/common/wgmma.cuh"
#include "kernels/gemm_epilogue.cuh"
#include "kernels/gemm_variants.h"

namespace ember::kernels {

// Tile shapes. Up to 64 tokens two CTAs share a multiprocessor; beyond, one CTA has 256 rows,
// because there the tokens' tiles are the larger part of what comes from L2, and the accumulators
// need the registers that the producer's warpgroup gives away.
template <int kTokens_>
struct GemmTile {
  static constexpr int kTokens = kTokens_;
  static constexpr bool kLarge = kTokens >= 128;
  static constexpr int kRows = kLarge ? 256 : 128;  // of weights
  static constexpr int kRowGroups = kRows / 128;    // products of 64 rows per warpgroup and step
  static constexpr int kStages = kLarge || kTokens == 64 ? 4 : 5;
  static constexpr int kCtasPerSm = kLarge ? 1 : 2;
  static constexpr int kThreads =
      kLarge ? 384
             : 288;  // two warpgroups and a producer: a warp, or a warpgroup with registers to give
  static constexpr int kWeightBytes = kRows * 128, kStageBytes = kWeightBytes + kTokens * 128;
  static constexpr int kSharedBytes = kStages * (kStageBytes + 16);
  static_assert(kStages * kStageBytes >= kRows * kTokens * 4,
                "a cluster's partial sums take the place of the stages");
};

struct GemmArgs {
  GemmOutput output;
  int blocks;                  // of 64 columns of `in`
  int row_tiles, token_tiles;  // of the whole product
  int split;
};

template <class Tile>
struct GemmShared {
  uint32_t base;
  EMBER_DEVICE uint32_t weights(int stage) const {
    return base + static_cast<uint32_t>(stage * Tile::kStageBytes);
  }
  EMBER_DEVICE uint32_t tokens(int stage) const { return weights(stage) + Tile::kWeightBytes; }
  EMBER_DEVICE uint32_t full(int stage) const {
    return weights(Tile::kStages) + static_cast<uint32_t>(stage * 8);
  }
  EMBER_DEVICE uint32_t empty(int stage) const {
    return full(Tile::kStages) + static_cast<uint32_t>(stage * 8);
  }
};

// First row (of weights) and token of tile number `index`. Tiles next to each other share their
// weights, in groups of kTokenTiles token tiles, so that the tokens of a group stay in L2 while all
// weights pass by.
template <class Tile>
struct GemmPlace {
  static constexpr int kTokenTiles = 16;
  int row, token;

  EMBER_DEVICE GemmPlace(const GemmArgs& args, int index) {
    const int whole = kTokenTiles * args.row_tiles, first = index / whole * kTokenTiles,
              size = min(kTokenTiles, args.token_tiles - first);
    row = index % whole / size * Tile::kRows;
    token = (first + index % whole % size) * Tile::kTokens;
  }
};

// The blocks of all tiles of one CTA in the order in which they go through the ring.
struct GemmWalk {
  int tile, tile_step, tiles, first_block, end_block, block;

  EMBER_DEVICE explicit GemmWalk(const GemmArgs& args) {
    const int rank = static_cast<int>(blockIdx.x) % args.split;
    tile = static_cast<int>(blockIdx.x) / args.split;
    tile_step = static_cast<int>(gridDim.x) / args.split;
    tiles = args.row_tiles * args.token_tiles;
    first_block = block = rank * args.blocks / args.split;
    end_block = (rank + 1) * args.blocks / args.split;
  }
  EMBER_DEVICE bool more() const { return tile < tiles; }
  EMBER_DEVICE void advance() {
    if (++block == end_block) block = first_block, tile += tile_step;
  }
};

template <class Tile>
EMBER_DEVICE void produce(const GemmArgs& args, const GemmShared<Tile>& shared,
                          const CUtensorMap* weights, const CUtensorMap* tokens) {
  const uint64_t policy = policy_evict_normal();
  const auto load_weights = [&](const GemmWalk& at, int stage) {
    mbarrier_arrive_expect(shared.full(stage), Tile::kStageBytes);
    const int row = GemmPlace<Tile>(args, at.tile).row;
    for (int box = 0; box < Tile::kRowGroups; ++box) {
      tma_load_2d(shared.weights(stage) + static_cast<uint32_t>(box * 16384), weights,
                  at.block * 64, row + box * 128, shared.full(stage), policy);
    }
  };
  const auto load_tokens = [&](const GemmWalk& at, int stage) {
    tma_load_2d(shared.tokens(stage), tokens, at.block * 64, GemmPlace<Tile>(args, at.tile).token,
                shared.full(stage), policy);
  };

  GemmWalk ahead(args), walk(args);
  int loaded = 0;
  for (; loaded < Tile::kStages && ahead.more(); ahead.advance()) load_weights(ahead, loaded++);
  wait_for_dependencies();
  fence_proxy_async();
  for (int stage = 0; stage < loaded; ++stage, walk.advance()) load_tokens(walk, stage);
  RingPosition<Tile::kStages> position;
  for (; walk.more(); walk.advance(), position.advance()) {
    mbarrier_wait(shared.empty(position.stage), position.phase);
    load_weights(walk, position.stage);
    load_tokens(walk, position.stage);
  }
}

// Partial sums of a tile, left in shared memory by each CTA of the cluster, are added up in rank
// order, an equal share of the tile by each CTA.
template <class T, Epilogue kEpilogue, class Tile>
EMBER_DEVICE void reduce_over_cluster(const GemmArgs& args, const GemmShared<Tile>& shared, int row,
                                      int token, int warp, int lane) {
  constexpr int kTokenGroups = Tile::kTokens / 8;
  const int slices = Tile::kRows / 16 / args.split,
            rank = static_cast<int>(blockIdx.x) % args.split;
  for (int i = warp; i < slices * kTokenGroups; i += 8) {
    const int slice = rank * slices + i / kTokenGroups, group = i % kTokenGroups;
    const uint32_t address =
        shared.base + static_cast<uint32_t>(((slice * kTokenGroups + group) * 32 + lane) * 16);
    float4 part[8];
#pragma unroll
    for (int r = 0; r < 8; ++r) {
      if (r < args.split) part[r] = load_peer_float4(address, r);
    }
    float4 sum = part[0];
#pragma unroll
    for (int r = 1; r < 8; ++r) {
      if (r < args.split)
        sum =
            make_float4(sum.x + part[r].x, sum.y + part[r].y, sum.z + part[r].z, sum.w + part[r].w);
    }
    emit<T, kEpilogue>(args.output, row + slice * 16, token + group * 8, sum, lane);
  }
}

template <class T, Epilogue kEpilogue, class Tile>
EMBER_DEVICE void consume(const GemmArgs& args, const GemmShared<Tile>& shared, int warp,
                          int lane) {
  constexpr int kRowGroups = Tile::kRowGroups, kTokenGroups = Tile::kTokens / 8;
  const int warpgroup = warp / 4;
  // By each warp: no warp's wait says what the others have read.
  const auto release = [&](int stage) {
    if (lane == 0) mbarrier_arrive(shared.empty(stage));
  };
  RingPosition<Tile::kStages> position;
  GemmWalk walk(args);
  for (; walk.more(); walk.tile += walk.tile_step) {
    float sums[kRowGroups][Tile::kTokens / 2];
    int previous = 0;
    for (int block = walk.first_block; block < walk.end_block; ++block, position.advance()) {
      const int stage = position.stage;
      mbarrier_wait(shared.full(stage), position.phase);
      const uint64_t a = wgmma_descriptor<64>(shared.weights(stage) +
                                              static_cast<uint32_t>(warpgroup * kRowGroups * 8192));
      const uint64_t b = wgmma_descriptor<64>(shared.tokens(stage));
      wgmma_fence();
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int m = 0; m < kRowGroups; ++m)
          wgmma_ss<T, Tile::kTokens>(sums[m], a + m * 512 + k * 2, b + k * 2,
                                     block != walk.first_block || k != 0);
      }
      wgmma_commit();
      if constexpr (Tile::kLarge) {  // one group stays in flight
        if (block != walk.first_block) {
          wgmma_wait<1>();
          release(previous);
        }
        previous = stage;
      } else {
        wgmma_wait<0>();
        release(stage);
      }
    }
    if constexpr (Tile::kLarge) {
      wgmma_wait<0>();
      release(previous);
    }

    const GemmPlace<Tile> place(args, walk.tile);
    const auto piece = [&](int m, int group) {
      return make_float4(sums[m][group * 4], sums[m][group * 4 + 1], sums[m][group * 4 + 2],
                         sums[m][group * 4 + 3]);
    };
    const auto slice = [&](int m) {
      return (warpgroup * kRowGroups + m) * 4 + warp % 4;
    };  // of 16 rows
    if (args.split == 1) {
#pragma unroll
      for (int m = 0; m < kRowGroups; ++m) {
#pragma unroll
        for (int group = 0; group < kTokenGroups; ++group)
          emit<T, kEpilogue>(args.output, place.row + slice(m) * 16, place.token + group * 8,
                             piece(m, group), lane);
      }
    } else {
      EMBER_DYNAMIC_SHARED(memory);
      named_barrier_sync(
          1,
          256);  // every copy has landed and both warpgroups have multiplied: the stages are free
#pragma unroll
      for (int m = 0; m < kRowGroups; ++m) {
#pragma unroll
        for (int group = 0; group < kTokenGroups; ++group)
          reinterpret_cast<float4*>(memory)[(slice(m) * kTokenGroups + group) * 32 + lane] =
              piece(m, group);
      }
      cluster_sync();
      reduce_over_cluster<T, kEpilogue, Tile>(args, shared, place.row, place.token, warp, lane);
      cluster_sync();  // a CTA must not end while another one reads its sums
    }
  }
}

template <class T, Epilogue kEpilogue, int kTokens>
__global__ void __launch_bounds__(GemmTile<kTokens>::kThreads, GemmTile<kTokens>::kCtasPerSm)
    gemm_sm90_kernel(const __grid_constant__ GemmArgs args,
                     const __grid_constant__ CUtensorMap weights,
                     const __grid_constant__ CUtensorMap tokens) {
  using Tile = GemmTile<kTokens>;
  EMBER_DYNAMIC_SHARED(memory);
  const GemmShared<Tile> shared{shared_address(memory)};
  const int warp = warp_uniform(static_cast<int>(threadIdx.x) / 32),
            lane = static_cast<int>(threadIdx.x) % 32;
  const bool producer = warp == 8 && lane == 0;
  if (producer) {
    launch_dependents();
    prefetch_tensor_map(&weights);
    prefetch_tensor_map(&tokens);
    for (int stage = 0; stage < Tile::kStages; ++stage) {
      mbarrier_init(shared.full(stage), 1);
      mbarrier_init(shared.empty(stage), 8);
    }
    fence_barrier_init();
  }
  __syncthreads();
  if (warp >= 8) {
    if constexpr (Tile::kLarge) registers_decrease<40>();
    if (producer) produce<Tile>(args, shared, &weights, &tokens);
    return;
  }
  if constexpr (Tile::kLarge) registers_increase<232>();
  wait_for_dependencies();
  consume<T, kEpilogue, Tile>(args, shared, warp, lane);
}

template <class T, Epilogue kEpilogue, int kTokens>
void launch_gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  using Tile = GemmTile<kTokens>;
  const int row_tiles = ceil_div(w.out, Tile::kRows), token_tiles = ceil_div(x.rows, kTokens);
  const GemmArgs args{{y, y_stride, w.bias, scale, x.rows, w.out},
                      ceil_div(w.in, 64),
                      row_tiles,
                      token_tiles,
                      w.split};
  const int tiles = row_tiles * token_tiles, slots = Tile::kCtasPerSm * stream.num_sms;
  const int grid = w.split > 1 ? tiles * w.split : tiles < slots ? tiles : slots;
  const CUtensorMap tokens = make_tensor_map(
      x.data, {.rank = 2,
               .dims = {static_cast<uint64_t>(x.columns), static_cast<uint64_t>(x.rows)},
               .strides = {static_cast<uint64_t>(x.stride) * 2},
               .box = {64, kTokens}});
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(grid)),
          .threads = Tile::kThreads,
          .shared_bytes = Tile::kSharedBytes,
          .cluster = w.split},
         gemm_sm90_kernel<T, kEpilogue, kTokens>, args, w.map, tokens);
}

template <class T, Epilogue kEpilogue>
void choose_gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  if (x.rows <= 8)
    launch_gemm_sm90<T, kEpilogue, 8>(stream, w, x, y, y_stride, scale);
  else if (x.rows <= 16)
    launch_gemm_sm90<T, kEpilogue, 16>(stream, w, x, y, y_stride, scale);
  else if (x.rows <= 32)
    launch_gemm_sm90<T, kEpilogue, 32>(stream, w, x, y, y_stride, scale);
  else if (x.rows <= 64)
    launch_gemm_sm90<T, kEpilogue, 64>(stream, w, x, y, y_stride, scale);
  else
    launch_gemm_sm90<T, kEpilogue, 128>(stream, w, x, y, y_stride, scale);
}

template <class T>
void gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
               Epilogue epilogue, float scale) {
  switch (epilogue) {
    case Epilogue::kStore:
      return choose_gemm_sm90<T, Epilogue::kStore>(stream, w, x, y, y_stride, scale);
    case Epilogue::kAdd:
      return choose_gemm_sm90<T, Epilogue::kAdd>(stream, w, x, y, y_stride, scale);
    case Epilogue::kSiluMul:
      return choose_gemm_sm90<T, Epilogue::kSiluMul>(stream, w, x, y, y_stride, scale);
    case Epilogue::kLogits:
      return choose_gemm_sm90<T, Epilogue::kLogits>(stream, w, x, y, y_stride, scale);
    case Epilogue::kGeluMul:
      return choose_gemm_sm90<T, Epilogue::kGeluMul>(stream, w, x, y, y_stride, scale);
  }
}

}  // namespace ember::kernels
