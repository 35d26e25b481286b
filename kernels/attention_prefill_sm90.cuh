// SPDX-License-Identifier: Apache-2.0
// Chunked causal prefill attention over the paged cache on Hopper: 128 query rows (tokens x the
// heads of a group) against tiles of keys.
//
// CTAs take works (a query tile of a kv head) from a counter, the longest first, so that none is
// left with a long one at the end. One producer thread draws them, and brings Q (through TMA,
// straight from the rows of qkv) and a ring of K and V tiles (bulk copies of whole or part slabs).
// Two warpgroups of 64 rows each: S = Q K^T with wgmma, softmax in registers, O += P V with P from
// registers. The softmax of one tile overlaps P V of the tile before, and the two warpgroups take
// turns at the tensor cores (barriers kTurn). Within a piece of the keys (kPieceKeys) tiles go from
// the last to the first, so that only the first ones need masks; they begin at multiples of their
// size, whatever the chunk.
#pragma once

#include "ember/base/integers.h"
#include "kernels/attention_plan.h"
#include "kernels/common/launch.h"
#include "kernels/common/numeric.cuh"
#include "kernels/common/pipeline.cuh"
#include "kernels/common/tensor_map.h"
#include "kernels/common/wgmma.cuh"
#include "kernels/softmax.cuh"

namespace ember::kernels {

template <int kHeadDim_>
struct PrefillShape {
  static constexpr int kHeadDim = kHeadDim_, kRows = kPrefillRowsSm90, kThreads = 384, kStages = 2;
  static constexpr int kKeys =
      kHeadDim > 128 ? 64 : 128;  // of a tile: S, P and O share a thread's 232 registers
  static constexpr int kPages = kKeys / kBlockTokens;
  static constexpr int kColumns = image_columns(kHeadDim), kImages = kHeadDim / kColumns;
  static constexpr int kSlabImageBytes = kBlockTokens * kColumns * 2;  // of one image of one page
  static constexpr int kQImageBytes = kRows * kColumns * 2, kKvImageBytes = kKeys * kColumns * 2;
  static constexpr int kQBytes = kImages * kQImageBytes, kKvBytes = kImages * kKvImageBytes;
  static constexpr int kSharedBytes = kQBytes + 2 * kStages * kKvBytes + (4 * kStages + 2) * 8 + 8;
};

template <class Shape>
struct PrefillShared {
  uint32_t base;
  static constexpr int kStages = Shape::kStages;
  EMBER_DEVICE uint32_t q() const { return base; }
  EMBER_DEVICE uint32_t keys(int stage) const {
    return base + static_cast<uint32_t>(Shape::kQBytes + stage * Shape::kKvBytes);
  }
  EMBER_DEVICE uint32_t values(int stage) const { return keys(kStages + stage); }
  EMBER_DEVICE uint32_t barrier(int i) const {
    return keys(2 * kStages) + static_cast<uint32_t>(i * 8);
  }
  EMBER_DEVICE uint32_t keys_full(int stage) const { return barrier(stage); }
  EMBER_DEVICE uint32_t keys_empty(int stage) const { return barrier(kStages + stage); }
  EMBER_DEVICE uint32_t values_full(int stage) const { return barrier(2 * kStages + stage); }
  EMBER_DEVICE uint32_t values_empty(int stage) const { return barrier(3 * kStages + stage); }
  EMBER_DEVICE uint32_t q_full() const { return barrier(4 * kStages); }
  EMBER_DEVICE uint32_t q_empty() const { return barrier(4 * kStages + 1); }
  // The number of the work after the one whose Q is there. Behind the barriers of Q.
  EMBER_DEVICE int* following() const {
    EMBER_DYNAMIC_SHARED(memory);
    return reinterpret_cast<int*>(memory + Shape::kSharedBytes - 8);
  }
};

// A query tile of one kv head, and the tiles of keys that it sees.
template <class Shape>
struct PrefillWork {
  PrefillTile tile;
  int kv_head;
  int first_key, end_key;  // seen by any of its rows
  Pieces all, mine;        // of keys

  template <class T>
  EMBER_DEVICE PrefillWork(const AttentionArgs<T>& args, int index) {
    const int window = args.window;
    tile = args.work.tiles[index / args.num_kv_heads];
    kv_head = index % args.num_kv_heads;
    first_key = window > 0 ? max(0, tile.position - window + 1) : 0;
    end_key = tile.position + tile.tokens;
    all = pieces_of(Shape::kHeadDim, tile.position, tile.tokens, window);
    mine = tile.split < 0 ? all : Pieces{tile.split, tile.split + 1};
  }
  EMBER_DEVICE int first_tile(int piece) const {
    return max(first_key, piece * piece_keys(Shape::kHeadDim)) / Shape::kKeys;
  }
  EMBER_DEVICE int end_tile(int piece) const {
    return ceil_div(min(end_key, (piece + 1) * piece_keys(Shape::kHeadDim)), Shape::kKeys);
  }
};

// A CTA's first work is that of its own number; the others are drawn.
template <class T>
EMBER_DEVICE int num_prefill_works(const AttentionArgs<T>& args) {
  return args.work.counts->prefill_tiles * args.num_kv_heads;
}

template <class T, class Shape>
EMBER_DEVICE void produce_tiles(const AttentionArgs<T>& args, const PrefillShared<Shape>& shared,
                                const CUtensorMap* q_map) {
  wait_for_dependencies();
  fence_proxy_async();
  const uint64_t policy = policy_evict_normal();
  RingPosition<Shape::kStages> position;
  int q_phase = 0;
  // It draws until there is no work left, so that the last draw of all is known: it leaves the
  // counter for the next layer. What is rarely needed is read again: there are few registers.
  for (int index = static_cast<int>(blockIdx.x); index < num_prefill_works(args); q_phase ^= 1) {
    const int following = atomicAdd(args.work.draws, 1) + static_cast<int>(gridDim.x);
    const PrefillWork<Shape> work(args, index);
    mbarrier_wait(shared.q_empty(), q_phase ^ 1);
    *shared.following() = following;
    mbarrier_arrive_expect(
        shared.q_full(),
        static_cast<uint32_t>(args.cut.group * args.cut.tile_tokens * Shape::kHeadDim * 2));
    for (int image = 0; image < Shape::kImages; ++image) {
      tma_load_3d(shared.q() + static_cast<uint32_t>(image * Shape::kQImageBytes), q_map,
                  image * Shape::kColumns, work.kv_head * args.cut.group, work.tile.row,
                  shared.q_full(), policy);
    }
    const int32_t* table = args.tables + static_cast<int64_t>(work.tile.seq) * args.table_stride;
    const int first_page = work.first_key / kBlockTokens,
              last_page = (work.end_key - 1) / kBlockTokens;
    const auto load = [&](uint32_t to, int tile, int kv, uint32_t full) {
      mbarrier_arrive_expect(full, Shape::kKvBytes);
#pragma unroll
      for (int i = 0; i < Shape::kPages; ++i) {
        // No row sees some pages of a tile. Their table entries are not read; another page is
        // loaded instead, and masked.
        const int page = min(max(tile * Shape::kPages + i, first_page), last_page);
        const T* slab =
            args.pool + kv_slab(table[page], kv, work.kv_head, args.num_kv_heads, Shape::kHeadDim);
#pragma unroll 1
        for (int image = 0; image < Shape::kImages; ++image) {
          bulk_load(
              to + static_cast<uint32_t>(image * Shape::kKvImageBytes + i * Shape::kSlabImageBytes),
              slab + image * kBlockTokens * Shape::kColumns, Shape::kSlabImageBytes, full, policy);
        }
      }
    };
    for (int piece = work.mine.first; piece < work.mine.end; ++piece) {
      for (int tile = work.end_tile(piece) - 1; tile >= work.first_tile(piece);
           --tile, position.advance()) {
        mbarrier_wait(shared.keys_empty(position.stage), position.phase ^ 1);
        load(shared.keys(position.stage), tile, 0, shared.keys_full(position.stage));
        mbarrier_wait(shared.values_empty(position.stage), position.phase ^ 1);
        load(shared.values(position.stage), tile, 1, shared.values_full(position.stage));
      }
    }
    index = *shared.following();
    if (index == num_prefill_works(args) + static_cast<int>(gridDim.x) - 1) *args.work.draws = 0;
  }
}

// The tensor cores are used by one warpgroup at a time: turn() waits for it, pass() gives it to the
// other.
struct Turns {
  static constexpr int kFirst = 2;  // named barriers 2 and 3
  int warpgroup;
  const bool& taken;
  EMBER_DEVICE void begin() const {
    if (taken && warpgroup == 1) named_barrier_arrive(kFirst, 256);  // warpgroup 0 goes first
  }
  EMBER_DEVICE void turn() const {
    if (taken) named_barrier_sync(kFirst + warpgroup, 256);
  }
  EMBER_DEVICE void pass() const {
    if (taken) named_barrier_arrive(kFirst + 1 - warpgroup, 256);
  }
};

// 64 query rows of a warpgroup. A thread has rows r and r + 8 of S and O, as SoftmaxRows says.
template <class T, class Shape>
struct PrefillState {
  static constexpr int kScores = Shape::kKeys / 2, kSums = Shape::kHeadDim / 2;
  float scores[kScores], sums[kSums];
  uint32_t p[kScores / 2];
  float keep[2];
  SoftmaxRows softmax;

  EMBER_DEVICE PrefillState() { clear(); }
  EMBER_DEVICE void clear() {
#pragma unroll
    for (float& sum : sums) sum = 0;
    softmax = {};
  }

  EMBER_DEVICE void multiply_keys(const PrefillShared<Shape>& shared, int stage, int warpgroup) {
    constexpr int kSteps = Shape::kColumns / 16;  // of 16 dimensions per image
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < Shape::kHeadDim / 16; ++k) {
      const int image = k / kSteps, step = k % kSteps * 2;
      const uint64_t q = wgmma_descriptor<Shape::kColumns>(
          shared.q() + static_cast<uint32_t>(image * Shape::kQImageBytes +
                                             warpgroup * 64 * Shape::kColumns * 2));
      const uint64_t keys = wgmma_descriptor<Shape::kColumns>(
          shared.keys(stage) + static_cast<uint32_t>(image * Shape::kKvImageBytes));
      wgmma_ss<T, Shape::kKeys>(scores, q + step, keys + step, k != 0);
    }
    wgmma_commit();
  }

  EMBER_DEVICE void multiply_values(const PrefillShared<Shape>& shared, int stage) {
    wgmma_fence(sums);
#pragma unroll
    for (int k = 0; k < Shape::kKeys / 16; ++k) {
      const uint32_t address =
          shared.values(stage) + static_cast<uint32_t>(k * 16 * Shape::kColumns * 2);
      wgmma_rs_transposed<T, Shape::kHeadDim>(
          sums, p + k * 4, wgmma_descriptor<Shape::kColumns>(address, Shape::kKvImageBytes), 1);
    }
    wgmma_commit();
  }

  EMBER_DEVICE void convert() {
#pragma unroll
    for (int i = 0; i < kScores / 2; ++i) p[i] = pack<T>(scores[2 * i], scores[2 * i + 1]);
  }

  // What follows is after the last key of a piece: maxima are scaled from here on, and a thread's
  // state goes to and comes from its places in memory, 128 threads side by side.
  EMBER_DEVICE void end_piece(float scale) {
#pragma unroll
    for (SoftmaxState& row : softmax.row) row.maximum *= scale;
  }
  EMBER_DEVICE void save(float4* to) const {
#pragma unroll
    for (int i = 0; i < kSums / 4; ++i)
      to[i * 128] = make_float4(sums[i * 4], sums[i * 4 + 1], sums[i * 4 + 2], sums[i * 4 + 3]);
    to[kSums / 4 * 128] = make_float4(softmax.row[0].maximum, softmax.row[0].total,
                                      softmax.row[1].maximum, softmax.row[1].total);
  }
  // Adds the state of another piece, an earlier or a later one.
  template <bool kEarlier>
  EMBER_DEVICE void add(const float4* from) {
    const float4 ends = __ldcg(from + kSums / 4 * 128);
    const PieceFactors factors[2] = {kEarlier ? PieceFactors(ends.x, softmax.row[0].maximum)
                                              : PieceFactors(softmax.row[0].maximum, ends.x),
                                     kEarlier ? PieceFactors(ends.z, softmax.row[1].maximum)
                                              : PieceFactors(softmax.row[1].maximum, ends.z)};
    const auto put = [&](int r, float& mine, float other) {
      mine = kEarlier ? factors[r].add(other, mine) : factors[r].add(mine, other);
    };
#pragma unroll
    for (int i = 0; i < kSums / 4; ++i) {
      const float4 other = __ldcg(from + i * 128);
      put(0, sums[i * 4], other.x);
      put(0, sums[i * 4 + 1], other.y);
      put(1, sums[i * 4 + 2], other.z);
      put(1, sums[i * 4 + 3], other.w);
    }
    put(0, softmax.row[0].total, ends.y);
    put(1, softmax.row[1].total, ends.w);
#pragma unroll
    for (int r = 0; r < 2; ++r) softmax.row[r].maximum = factors[r].top;
  }

  EMBER_DEVICE void store(const AttentionArgs<T>& args, const PrefillWork<Shape>& work, int row,
                          int lane) {
    softmax.store<T>(sums, lane, [&](int r) -> T* {
      const int token = (row + r * 8) / args.cut.group, head = (row + r * 8) % args.cut.group;
      if (token >= work.tile.tokens) return nullptr;
      return args.out + static_cast<int64_t>(work.tile.row + token) * args.out_stride +
             (work.kv_head * args.cut.group + head) * Shape::kHeadDim + lane % 4 * 8;
    });
  }
};

// Where the results of pieces lie: for this thread.
template <class T, class Shape>
struct PrefillPieces {
  const AttentionArgs<T>& args;
  const PrefillWork<Shape>& work;

  EMBER_DEVICE float4* place(int state) const {
    const int thread = static_cast<int>(threadIdx.x);
    return args.work.pieces + static_cast<int64_t>(state) * piece_quads(Shape::kHeadDim) +
           thread / 128 * (piece_quads(Shape::kHeadDim) / 2) + thread % 128;
  }
  EMBER_DEVICE float4* of(int piece) const {
    return place((work.tile.slot + piece - work.all.first) * args.num_kv_heads + work.kv_head);
  }
  // Of the pieces before, where one CTA takes them one after the other.
  EMBER_DEVICE float4* before() const {
    return place(args.cut.prefill_slots * args.num_kv_heads + static_cast<int>(blockIdx.x));
  }
  // Whether all pieces are there of the rows of this warp.
  EMBER_DEVICE bool arrives_last(int lane) const {
    int last = 0;
    __syncwarp();
    if (lane == 0) {
      int* arrivals =
          &args.work.piece_arrivals[(work.tile.slot * args.num_kv_heads + work.kv_head) * 8 +
                                    static_cast<int>(threadIdx.x) / 32];
      __threadfence();  // what the other lanes have stored, too
      last = atomicAdd(arrivals, 1) == work.all.end - work.all.first - 1;
      __threadfence();
      if (last) *arrivals = 0;  // for the next layer
    }
    __syncwarp();
    return warp_uniform(last) != 0;
  }
};

// After the last key of a piece.
template <class T, class Shape>
EMBER_DEVICE void finish_piece(const AttentionArgs<T>& args, PrefillState<T, Shape>& state,
                               const PrefillWork<Shape>& work, int piece, int row, int lane) {
  if constexpr (piece_keys(Shape::kHeadDim) == kPieceKeys) {
    const PrefillPieces<T, Shape> pieces{args, work};
    const bool one = work.all.end - work.all.first == 1;
    if (!one) state.end_piece(args.scale);
    if (!one && work.tile.split < 0) {
      if (piece > work.all.first) state.template add<true>(pieces.before());
      if (piece + 1 < work.all.end) return state.save(pieces.before());
    } else if (!one) {
      state.save(pieces.of(piece));
      if (!pieces.arrives_last(lane)) return;
      state.clear();
      for (int p = work.all.first; p < work.all.end; ++p) state.template add<false>(pieces.of(p));
    }
  }
  state.store(args, work, row, lane);
}

template <class T, class Shape>
EMBER_DEVICE void attend_tiles(const AttentionArgs<T>& args, const PrefillShared<Shape>& shared,
                               int warpgroup) {
  const int lane = static_cast<int>(threadIdx.x) % 32,
            row = warpgroup * 64 + static_cast<int>(threadIdx.x) / 32 % 4 * 16 + lane / 4;
  // By each warp: no warp's wait says what the others have read.
  const auto release = [lane](uint32_t barrier) {
    if (lane == 0) mbarrier_arrive(barrier);
  };
  const Turns tensor_cores{warpgroup, args.turns};
  tensor_cores.begin();
  RingPosition<Shape::kStages> position;
  int q_phase = 0;
  const int works = num_prefill_works(args);
  for (int index = static_cast<int>(blockIdx.x), following; index < works;
       index = following, q_phase ^= 1) {
    const PrefillWork<Shape> work(args, index);
    mbarrier_wait(shared.q_full(), q_phase);
    // Read by the lane that releases it.
    following = warp_uniform(lane == 0 ? *shared.following() : 0);
    for (int piece = work.mine.first; piece < work.mine.end; ++piece) {
      const int first_tile = work.first_tile(piece), end_tile = work.end_tile(piece);
      const bool last = piece + 1 == work.mine.end;
      PrefillState<T, Shape> state;
      const auto softmax = [&](int tile) {
        SoftmaxRows::cap(state.scores, args.cap_scale);
        const int first = tile * Shape::kKeys;
        const bool diagonal = first + Shape::kKeys - 1 > work.tile.position,
                   edge = args.window > 0 && first <= work.end_key - 1 - args.window;
        if (diagonal || edge) {
          const int before = work.tile.position - first - lane % 4 * 2;
          SoftmaxRows::mask(state.scores,
                            {before + row / args.cut.group, before + (row + 8) / args.cut.group},
                            args.window);
        }
        state.softmax.add(state.scores, args.scale, state.keep);
      };
      const auto release_keys = [&](int stage, int tile) {
        release(shared.keys_empty(stage));
        if (tile == first_tile && last) release(shared.q_empty());
      };

      mbarrier_wait(shared.keys_full(position.stage), position.phase);
      tensor_cores.turn();
      state.multiply_keys(shared, position.stage, warpgroup);
      tensor_cores.pass();
      wgmma_wait<0>(state.scores);
      release_keys(position.stage, end_tile - 1);
      softmax(end_tile - 1);
      state.convert();
      for (int tile = end_tile - 2; tile >= first_tile; --tile) {
        const RingPosition<Shape::kStages> next = position.next();
        mbarrier_wait(shared.keys_full(next.stage), next.phase);
        tensor_cores.turn();
        state.multiply_keys(shared, next.stage, warpgroup);
        mbarrier_wait(shared.values_full(position.stage), position.phase);
        state.multiply_values(shared, position.stage);
        tensor_cores.pass();
        wgmma_wait<1>(state.scores);  // the scores are there, the values may still be in flight
        release_keys(next.stage, tile);
        softmax(tile);
        wgmma_wait<0>(state.sums);
        release(shared.values_empty(position.stage));
        state.convert();
        SoftmaxRows::rescale(state.sums, state.keep);
        position = next;
      }
      mbarrier_wait(shared.values_full(position.stage), position.phase);
      tensor_cores.turn();
      state.multiply_values(shared, position.stage);
      tensor_cores.pass();
      wgmma_wait<0>(state.sums);
      release(shared.values_empty(position.stage));
      position.advance();
      // Read again: what only the ends of pieces need has no room in registers meanwhile.
      finish_piece(args, state, PrefillWork<Shape>(args, index), piece, row, lane);
    }
  }
}

template <class T, class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    prefill_sm90_kernel(const __grid_constant__ AttentionArgs<T> args,
                        const __grid_constant__ CUtensorMap q_map) {
  EMBER_DYNAMIC_SHARED(memory);
  const PrefillShared<Shape> shared{shared_address(memory)};
  const int warpgroup = warp_uniform(static_cast<int>(threadIdx.x) / 128);
  if (threadIdx.x == 0) {
    launch_dependents();
    prefetch_tensor_map(&q_map);
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      mbarrier_init(shared.keys_full(stage), 1);
      mbarrier_init(shared.values_full(stage), 1);
      mbarrier_init(shared.keys_empty(stage), 8);
      mbarrier_init(shared.values_empty(stage), 8);
    }
    mbarrier_init(shared.q_full(), 1);
    mbarrier_init(shared.q_empty(), 8);
    fence_barrier_init();
  }
  __syncthreads();
  if (warpgroup == 2) {
    registers_decrease<40>();
    if (threadIdx.x == 256) produce_tiles<T, Shape>(args, shared, &q_map);
  } else {
    registers_increase<232>();
    wait_for_dependencies();
    attend_tiles<T, Shape>(args, shared, warpgroup);
  }
}

template <class T, int kHeadDim>
void launch_prefill_sm90(const StreamRef& stream, const AttentionShape& shape,
                         const AttentionArgs<T>& args, int num_tokens) {
  using Shape = PrefillShape<kHeadDim>;
  // qkv as [tokens][heads][head_dim]: a box is one image of the rows (token, head of the group) of
  // a tile.
  const CUtensorMap q_map = make_tensor_map(
      args.qkv, {.rank = 3,
                 .dims = {kHeadDim, static_cast<uint64_t>(shape.num_heads + 2 * shape.num_kv_heads),
                          static_cast<uint64_t>(num_tokens)},
                 .strides = {kHeadDim * 2, static_cast<uint64_t>(args.qkv_stride) * 2},
                 .box = {Shape::kColumns, static_cast<uint32_t>(args.cut.group),
                         static_cast<uint32_t>(args.cut.tile_tokens)}});
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(stream.num_sms)),
          .threads = Shape::kThreads,
          .shared_bytes = Shape::kSharedBytes},
         prefill_sm90_kernel<T, Shape>, args, q_map);
}

template <class T>
void prefill_sm90(const StreamRef& stream, const AttentionShape& shape,
                  const AttentionArgs<T>& args, int num_tokens) {
  switch (shape.head_dim) {
    case 64:
      return launch_prefill_sm90<T, 64>(stream, shape, args, num_tokens);
    case 96:
      return launch_prefill_sm90<T, 96>(stream, shape, args, num_tokens);
    case 128:
      return launch_prefill_sm90<T, 128>(stream, shape, args, num_tokens);
    default:
      return launch_prefill_sm90<T, 256>(stream, shape, args, num_tokens);
  }
}

}  // namespace ember::kernels
