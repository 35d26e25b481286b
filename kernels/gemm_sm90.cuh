// SPDX-License-Identifier: Apache-2.0
// Swap-AB product on Hopper: the weights are wgmma's M side (64 rows per warpgroup and step), the
// tokens its N side.
//
// One producer thread fills a ring of stages (a tile of weights and a tile of tokens, 64 columns of
// each, through TMA with zeros beyond the edges); one or two warpgroups multiply. The weights of
// the first stages are asked for before the programmatic dependency is waited for: that is constant
// data. The sum over `in` is made of Matrix::split parts, added as a balanced tree: ((0 + 1) + (2 +
// 3)). So it does not matter who adds them. As many CTAs as the device has room for each make a
// subtree, and add these up through distributed shared memory; a CTA on its own makes all parts,
// and several tiles.
#pragma once

#include "ember/base/integers.h"
#include "kernels/common/launch.h"
#include "kernels/common/pipeline.cuh"
#include "kernels/common/tensor_map.h"
#include "kernels/common/wgmma.cuh"
#include "kernels/gemm_epilogue.cuh"
#include "kernels/gemm_variants.h"

namespace ember::kernels {

// Tile shapes: rows of weights x tokens. Each warpgroup has all tokens of 64 rows.
// - Few tokens: 64 rows, two CTAs per multiprocessor, 160 KB of weights in flight on each.
// - More: the tokens' tiles are much of what comes from L2. There are 128 rows, and two CTAs with
//   neighbouring rows share the tokens, of which each loads a half for both.
// - From 65 on the producer's warpgroup gives registers away, to 128 tokens of each part of a sum,
// or
//   256 of a sum that has one part.
template <int kRows_, int kTokens_>
struct GemmTile {
  static constexpr int kRows = kRows_, kTokens = kTokens_;
  static constexpr bool kSplits = kTokens <= 128;  // sums of several parts
  static constexpr bool kLarge = kTokens >= 128;
  static constexpr int kPair = kRows == 128 ? 2 : 1;  // CTAs that share their tokens
  static constexpr int kWarpgroups = kRows / 64, kWarps = kWarpgroups * 4;
  static constexpr int kCtasPerSm = kTokens <= 32 ? 2 : 1;
  // That a CTA makes: their sums take registers.
  static constexpr int kMostParts = kTokens <= 16 ? 4 : kTokens <= 64 ? 2 : 1;
  // Of a cluster. With one CTA per multiprocessor few clusters of eight fit.
  static constexpr int kMostCtas = kTokens == 64 ? 4 : 8;
  static constexpr int kThreads = kWarps * 32 + (kLarge ? 128 : 32);  // a warp produces
  static constexpr int kWeightBytes = kRows * 128, kStageBytes = kWeightBytes + kTokens * 128;
  static constexpr int kFit = (kCtasPerSm == 2 ? 100 : 200) * 1024 / kStageBytes;
  static constexpr int kStages = kFit < 10 ? kFit : 10;
  static constexpr int kSharedBytes = kStages * (kStageBytes + 16);
  static_assert(!kSplits || kStages * kStageBytes >= kRows * kTokens * 4,
                "a cluster's partial sums take the place of the stages");
};

struct GemmArgs {
  GemmOutput output;
  int blocks;                  // of 64 columns of `in`
  int row_tiles, token_tiles;  // of the whole product; what a pair of CTAs makes is one tile
  int split;                   // parts of a sum
  int makers;                  // CTAs that make them
};

// Which CTA of its cluster this is: first the pair's CTAs, then those of the next part.
template <class Tile>
struct GemmRank {
  int pair, maker;

  EMBER_DEVICE explicit GemmRank(const GemmArgs& args)
      : pair(static_cast<int>(blockIdx.x) % Tile::kPair),
        maker(static_cast<int>(blockIdx.x) / Tile::kPair % args.makers) {}
  // In the cluster.
  EMBER_DEVICE int of_pair(int which) const { return maker * Tile::kPair + which; }
  EMBER_DEVICE int of_maker(int which) const { return which * Tile::kPair + pair; }
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
    row = (index % whole / size * Tile::kPair + GemmRank<Tile>(args).pair) * Tile::kRows;
    token = (first + index % whole % size) * Tile::kTokens;
  }
};

// The blocks of all tiles of one CTA in the order in which they go through the ring.
template <class Tile>
struct GemmWalk {
  int tile, tile_step, tiles, first_block, end_block, block;

  EMBER_DEVICE explicit GemmWalk(const GemmArgs& args) {
    const int maker = GemmRank<Tile>(args).maker, ctas = args.makers * Tile::kPair;
    tile = static_cast<int>(blockIdx.x) / ctas;
    tile_step = static_cast<int>(gridDim.x) / ctas;
    tiles = args.row_tiles * args.token_tiles;
    first_block = block = part_begin(args, maker * parts(args));
    end_block = part_begin(args, (maker + 1) * parts(args));
  }
  // Of a sum, that this CTA makes.
  static EMBER_DEVICE int parts(const GemmArgs& args) { return args.split / args.makers; }
  static EMBER_DEVICE int part_begin(const GemmArgs& args, int part) {
    return part * args.blocks / args.split;
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
  const GemmRank<Tile> rank(args);
  const auto load_weights = [&](const GemmWalk<Tile>& at, int stage) {
    mbarrier_arrive_expect(shared.full(stage), Tile::kStageBytes);
    const int row = GemmPlace<Tile>(args, at.tile).row;
    for (int box = 0; box < Tile::kRows; box += kGemmBoxRows) {
      tma_load_2d(shared.weights(stage) + static_cast<uint32_t>(box * 128), weights, at.block * 64,
                  row + box, shared.full(stage), policy);
    }
  };
  const auto load_tokens = [&](const GemmWalk<Tile>& at, int stage) {
    const int token = GemmPlace<Tile>(args, at.tile).token;
    if constexpr (Tile::kPair == 1) {
      tma_load_2d(shared.tokens(stage), tokens, at.block * 64, token, shared.full(stage), policy);
    } else {
      const int mine = rank.pair * (Tile::kTokens / 2);
      tma_load_2d_multicast(shared.tokens(stage) + static_cast<uint32_t>(mine * 128), tokens,
                            at.block * 64, token + mine, shared.full(stage),
                            static_cast<uint16_t>(0b11 << rank.of_pair(0)), policy);
    }
  };

  GemmWalk<Tile> ahead(args), walk(args);
  int loaded = 0;
  for (; loaded < Tile::kStages && ahead.more(); ahead.advance()) load_weights(ahead, loaded++);
  wait_for_dependencies();
  fence_proxy_async();
  for (int stage = 0; stage < loaded; ++stage, walk.advance()) load_tokens(walk, stage);
  RingPosition<Tile::kStages> position;
  for (; walk.more(); walk.advance(), position.advance()) {
    if constexpr (Tile::kPair == 1)
      mbarrier_wait(shared.empty(position.stage), position.phase);
    else  // the other CTA has read it too
      mbarrier_wait_cluster(shared.empty(position.stage), position.phase);
    load_weights(walk, position.stage);
    load_tokens(walk, position.stage);
  }
}

// The pieces of a tile that one warp of a CTA adds up over the cluster: each CTA has an equal share
// of the tile.
template <class T, Epilogue kEpilogue, class Tile>
struct GemmShare {
  static constexpr int kTokenGroups = Tile::kTokens / 8;
  static constexpr int kPieces = ceil_div(Tile::kRows / 16 * kTokenGroups / 2, Tile::kWarps);
  const GemmOutput& output;
  const GemmRank<Tile> rank;
  int makers, first_slice, pieces, row, token, warp, lane;
  static constexpr int kBatch = kPieces < 4 ? kPieces : 4;  // at a time, for the registers
  Addends addends[kBatch];

  // Loads what is added to the sums, which barriers separate from their use.
  EMBER_DEVICE GemmShare(const GemmArgs& args, const GemmOutput& output_,
                         const GemmPlace<Tile>& place, int warp_, int lane_)
      : output(output_),
        rank(args),
        makers(args.makers),
        row(place.row),
        token(place.token),
        warp(warp_),
        lane(lane_) {
    const int slices = Tile::kRows / 16 / makers;
    first_slice = rank.maker * slices;
    pieces = slices * kTokenGroups;
    load(0);
  }
  EMBER_DEVICE bool has(int i) const { return warp + i * Tile::kWarps < pieces; }
  EMBER_DEVICE int slice(int i) const {
    return first_slice + (warp + i * Tile::kWarps) / kTokenGroups;
  }
  EMBER_DEVICE int group(int i) const { return (warp + i * Tile::kWarps) % kTokenGroups; }
  EMBER_DEVICE int row_of(int i) const { return row + slice(i) * 16; }
  EMBER_DEVICE int token_of(int i) const { return token + group(i) * 8; }

  EMBER_DEVICE void load(int first) {
#pragma unroll
    for (int i = 0; i < kBatch; ++i)
      if (has(first + i))
        addends[i] =
            load_addends<T, kEpilogue>(output, row_of(first + i), token_of(first + i), lane);
  }

  // The makers' sums lie in the shared memory of each. Arrives at the cluster's barrier when it has
  // read them; the caller waits.
  EMBER_DEVICE void reduce(const GemmShared<Tile>& shared) {
#pragma unroll
    for (int first = 0; first < kPieces; first += kBatch) {
      if (first != 0) load(first);
      float4 sums[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; ++i)
        if (has(first + i)) sums[i] = sum_of_makers(shared, first + i);
      if (first + kBatch >= kPieces) cluster_arrive();
#pragma unroll
      for (int i = 0; i < kBatch; ++i)
        if (has(first + i))
          emit<T, kEpilogue>(output, row_of(first + i), token_of(first + i), sums[i], addends[i],
                             lane);
    }
  }
  EMBER_DEVICE float4 sum_of_makers(const GemmShared<Tile>& shared, int i) const {
    const uint32_t address =
        shared.base +
        static_cast<uint32_t>(((slice(i) * kTokenGroups + group(i)) * 32 + lane) * 16);
    const auto of = [&](int maker) { return load_peer_float4(address, rank.of_maker(maker)); };
    const float4 two = add(of(0), of(1));
    return makers == 4 ? add(two, add(of(2), of(3))) : two;
  }
};

// A warpgroup's sums, 64 rows x kTokens: of a warp 16 rows.
template <class Tile>
struct GemmSums {
  float v[Tile::kTokens / 2];

  EMBER_DEVICE float4 piece(int group) const {
    return make_float4(v[group * 4], v[group * 4 + 1], v[group * 4 + 2], v[group * 4 + 3]);
  }
  EMBER_DEVICE void add(const GemmSums& more) {
#pragma unroll
    for (int i = 0; i < Tile::kTokens / 2; ++i) v[i] += more.v[i];
  }
};

// One warpgroup's products of blocks first .. end - 1 of a tile, which come through the ring.
template <class T, class Tile>
EMBER_DEVICE void multiply(const GemmShared<Tile>& shared, const GemmRank<Tile>& rank,
                           RingPosition<Tile::kStages>& position, int first, int end, int warpgroup,
                           int lane, GemmSums<Tile>& sums) {
  // By each warp: no warp's wait says what the others have read. To all who write to the stage.
  const auto release = [&](int stage) {
    if constexpr (Tile::kPair == 1) {
      if (lane == 0) mbarrier_arrive(shared.empty(stage));
    } else {
      if (lane < 2) mbarrier_arrive_peer(shared.empty(stage), rank.of_pair(lane));
    }
  };
  // Not by a first product that ignores them: ptxas 12.4 serialises wgmma whose accumulators it
  // does not see defined.
#pragma unroll
  for (float& sum : sums.v) sum = 0;
  int previous = 0;
  for (int block = first; block < end; ++block, position.advance()) {
    const int stage = position.stage;
    mbarrier_wait(shared.full(stage), position.phase);
    const uint64_t a =
        wgmma_descriptor<64>(shared.weights(stage) + static_cast<uint32_t>(warpgroup * 8192));
    const uint64_t b = wgmma_descriptor<64>(shared.tokens(stage));
    wgmma_fence(sums.v);
#pragma unroll
    for (int k = 0; k < 4; ++k) wgmma_ss<T, Tile::kTokens>(sums.v, a + k * 2, b + k * 2, true);
    wgmma_commit();
    if constexpr (Tile::kLarge) {  // one group stays in flight
      if (block != first) {
        wgmma_wait<1>(sums.v);
        release(previous);
      }
      previous = stage;
    } else {
      wgmma_wait<0>(sums.v);
      release(stage);
    }
  }
  if constexpr (Tile::kLarge) {
    wgmma_wait<0>(sums.v);
    release(previous);
  }
}

// All parts of a tile's sums that this CTA makes, as a balanced tree.
template <class T, class Tile>
EMBER_DEVICE void multiply_parts(const GemmArgs& args, const GemmShared<Tile>& shared,
                                 RingPosition<Tile::kStages>& position, int warpgroup, int lane,
                                 GemmSums<Tile>& sums) {
  const GemmRank<Tile> rank(args);
  if constexpr (!Tile::kSplits) {
    multiply<T, Tile>(shared, rank, position, 0, args.blocks, warpgroup, lane, sums);
  } else {
    const int parts = GemmWalk<Tile>::parts(args), first = rank.maker * parts;
    const auto make = [&](int part, GemmSums<Tile>& of) {
      multiply<T, Tile>(shared, rank, position, GemmWalk<Tile>::part_begin(args, first + part),
                        GemmWalk<Tile>::part_begin(args, first + part + 1), warpgroup, lane, of);
    };
    make(0, sums);
    if constexpr (Tile::kMostParts >= 2) {
      if (parts == 1) return;
      GemmSums<Tile> second;
      make(1, second);
      sums.add(second);
      if constexpr (Tile::kMostParts >= 4) {
        if (parts == 2) return;
        GemmSums<Tile> fourth;
        make(2, second);
        make(3, fourth);
        second.add(fourth);
        sums.add(second);
      }
    }
  }
}

// Adds up what the makers of a tile have, and stores it.
template <class T, Epilogue kEpilogue, class Tile>
EMBER_DEVICE void store_tile(const GemmArgs& args, const GemmOutput& output,
                             const GemmShared<Tile>& shared, const GemmPlace<Tile>& place, int warp,
                             int lane, const GemmSums<Tile>& sums) {
  constexpr int kTokenGroups = Tile::kTokens / 8;
  if (!Tile::kSplits || args.makers == 1) {
    emit_row<T, kEpilogue, kTokenGroups>(output, place.row + warp * 16, place.token, lane,
                                         [&](int group) { return sums.piece(group); });
    return;
  }
  if constexpr (Tile::kSplits) {
    GemmShare<T, kEpilogue, Tile> share(args, output, place, warp, lane);
    EMBER_DYNAMIC_SHARED(memory);
    // Every copy has landed and all warps have multiplied: the stages are free.
    named_barrier_sync(1, Tile::kWarps * 32);
#pragma unroll
    for (int group = 0; group < kTokenGroups; ++group)
      reinterpret_cast<float4*>(memory)[(warp * kTokenGroups + group) * 32 + lane] =
          sums.piece(group);
    cluster_sync();
    share.reduce(shared);
    cluster_wait();  // a CTA must not end while another one reads its sums
  }
}

template <class T, Epilogue kEpilogue, class Tile>
EMBER_DEVICE void consume(const GemmArgs& args, const GemmShared<Tile>& shared, int warp,
                          int lane) {
  RingPosition<Tile::kStages> position;
  GemmWalk<Tile> walk(args);
  for (; walk.more(); walk.tile += walk.tile_step) {
    GemmSums<Tile> sums;
    multiply_parts<T, Tile>(args, shared, position, warp / 4, lane, sums);
    GemmOutput output = args.output;
    output.y_stride = opaque(output.y_stride);
    store_tile<T, kEpilogue, Tile>(args, output, shared, GemmPlace<Tile>(args, opaque(walk.tile)),
                                   opaque(warp), opaque(lane), sums);
  }
}

template <class T, Epilogue kEpilogue, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kCtasPerSm)
    gemm_sm90_kernel(const __grid_constant__ GemmArgs args,
                     const __grid_constant__ CUtensorMap weights,
                     const __grid_constant__ CUtensorMap tokens) {
  EMBER_DYNAMIC_SHARED(memory);
  const GemmShared<Tile> shared{shared_address(memory)};
  const int warp = warp_uniform(static_cast<int>(threadIdx.x) / 32),
            lane = static_cast<int>(threadIdx.x) % 32;
  const bool producer = warp == Tile::kWarps && lane == 0;
  if (producer) {
    launch_dependents();
    prefetch_tensor_map(&weights);
    prefetch_tensor_map(&tokens);
    for (int stage = 0; stage < Tile::kStages; ++stage) {
      mbarrier_init(shared.full(stage), 1);
      mbarrier_init(shared.empty(stage), Tile::kWarps * Tile::kPair);
    }
    fence_barrier_init();
  }
  if constexpr (Tile::kPair == 1)
    __syncthreads();
  else
    cluster_sync();
  if (warp >= Tile::kWarps) {
    if constexpr (Tile::kLarge) registers_decrease<40>();
    if (producer) produce<Tile>(args, shared, &weights, &tokens);
    return;
  }
  if constexpr (Tile::kLarge) registers_increase<232>();
  wait_for_dependencies();
  consume<T, kEpilogue, Tile>(args, shared, warp, lane);
  // A CTA must not end while the other one's warps arrive at its barriers; where there are several
  // makers, they have met already.
  if constexpr (Tile::kPair == 2)
    if (args.makers == 1) cluster_sync();
}

// CTAs that make a tile's parts: as many as run at once.
template <class Tile>
int choose_makers(int num_sms, int split, int tiles) {
  int makers = split;
  while (split / makers < Tile::kMostParts && makers > 1 &&
         (makers * Tile::kPair > Tile::kMostCtas ||
          tiles * makers * Tile::kPair > Tile::kCtasPerSm * num_sms))
    makers /= 2;
  return makers;
}

// run(Tile()) with the tile for so many tokens.
template <class Run>
void with_gemm_tile(int split, int tokens, Run&& run) {
  if (tokens <= 8)
    run(GemmTile<64, 8>());
  else if (tokens <= 16)
    run(GemmTile<64, 16>());
  else if (tokens <= 32)
    run(GemmTile<128, 32>());
  else if (tokens <= 64)
    run(GemmTile<128, 64>());
  else if (tokens <= 128 || split > 1)
    run(GemmTile<128, 128>());
  else
    run(GemmTile<128, 256>());
}

template <class Tile>
struct GemmLaunch {
  int row_tiles, token_tiles, makers;
  LaunchShape shape;

  GemmLaunch(const StreamRef& stream, const Matrix& w, int tokens)
      : row_tiles(ceil_div(w.out, Tile::kRows * Tile::kPair)),
        token_tiles(ceil_div(tokens, Tile::kTokens)) {
    const int tiles = row_tiles * token_tiles,
              slots = (Tile::kCtasPerSm * stream.num_sms + Tile::kPair - 1) / Tile::kPair;
    makers = choose_makers<Tile>(stream.num_sms, w.split, tiles);
    const int places = makers > 1 ? tiles * makers : tiles < slots ? tiles : slots;
    shape = {.grid = dim3(static_cast<unsigned>(places * Tile::kPair)),
             .threads = Tile::kThreads,
             .shared_bytes = Tile::kSharedBytes,
             .cluster = makers * Tile::kPair};
  }
};

template <class T, Epilogue kEpilogue, class Tile>
void launch_gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  const GemmLaunch<Tile> plan(stream, w, x.rows);
  const GemmArgs args{{y, y_stride, w.bias, scale, x.rows, w.out},
                      ceil_div(w.in, 64),
                      plan.row_tiles,
                      plan.token_tiles,
                      w.split,
                      plan.makers};
  const CUtensorMap tokens = make_tensor_map(
      x.data, {.rank = 2,
               .dims = {static_cast<uint64_t>(x.columns), static_cast<uint64_t>(x.rows)},
               .strides = {static_cast<uint64_t>(x.stride) * 2},
               .box = {64, Tile::kTokens / Tile::kPair}});
  launch(stream, plan.shape, gemm_sm90_kernel<T, kEpilogue, Tile>, args, w.map, tokens);
}

template <class T, Epilogue kEpilogue>
void choose_gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
                      float scale) {
  with_gemm_tile(w.split, x.rows, [&]<class Tile>(Tile) {
    launch_gemm_sm90<T, kEpilogue, Tile>(stream, w, x, y, y_stride, scale);
  });
}

template <class T>
GemmClusters gemm_clusters_sm90(const StreamRef& stream, const Matrix& w, int tokens) {
  GemmClusters c;
  with_gemm_tile(w.split, tokens, [&]<class Tile>(Tile) {
    const LaunchShape shape = GemmLaunch<Tile>(stream, w, tokens).shape;
    c = {shape.cluster, static_cast<int>(shape.grid.x) / shape.cluster,
         clusters_at_once(shape, gemm_sm90_kernel<T, Epilogue::kStore, Tile>)};
  });
  return c;
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
