// SPDX-License-Identifier: Apache-2.0
// Paged decode attention, transposed so that few query heads waste little: keys are the M side of
// mma.sync. Per warp and 64-token page: S^T[16 keys x 8 heads] = K Q^T, softmax over the keys by
// shuffles, O^T[head_dim x 8 heads] += V^T P^T. Wide groups do this for 16 heads at once, so that
// keys and values are read from shared memory once for both eights.
//
// Four compute warps take 16 keys of each page; a producer warp keeps a ring of pages full (the
// Loader: bulk copies on sm_90, cp.async elsewhere). Of the first and last page only the sixteens
// of keys that are seen are loaded, and their warps alone compute. Work lists, tables and pages
// without this step's tokens are constant since plan_attention and are read before the programmatic
// dependency is waited for.
//
// A CTA takes a run of a sequence's splits. Each split has a partial result of its own, whoever
// computes it, and the CTA that finishes a sequence's last one adds all of them in order: so bits
// do not depend on how many splits a CTA takes at once.
#pragma once

#include "kernels/attention_plan.h"
#include "kernels/common/launch.h"
#include "kernels/common/numeric.cuh"
#include "kernels/common/pipeline.cuh"
#include "kernels/softmax.cuh"

namespace ember::kernels {

inline constexpr int kDecodeThreads = 160;  // four compute warps, then the producer

// kEights: of query heads.
template <int kHeadDim_, int kStages_, int kCtasPerSm_, int kEights_>
struct DecodeTile {
  static constexpr int kHeadDim = kHeadDim_, kStages = kStages_, kCtasPerSm = kCtasPerSm_,
                       kEights = kEights_;
  static constexpr int kSlabBytes = kBlockTokens * kHeadDim * 2,
                       kStageBytes = 2 * kSlabBytes;  // K, then V
  static constexpr int kSumStride =
      kHeadDim + 4;  // padded: stores of a warp's sums meet no bank twice

  // `heads` of one eight, which change hands at a time.
  // [stages | sums of each warp and head | maxima, sums of exponentials [8][4] each | barriers |
  // flag]
  static constexpr size_t shared_bytes(int heads) {
    return static_cast<size_t>(kStages * kStageBytes + 4 * heads * kSumStride * 4 + 2 * 4 * 8 * 4 +
                               2 * kStages * 8 + 16);
  }
};

template <class Tile>
struct DecodeShared {
  uint8_t* memory;
  int heads;
  EMBER_DEVICE uint32_t keys(int stage) const {
    return shared_address(memory) + static_cast<uint32_t>(stage * Tile::kStageBytes);
  }
  EMBER_DEVICE uint32_t values(int stage) const { return keys(stage) + Tile::kSlabBytes; }
  EMBER_DEVICE float* sums() const {
    return reinterpret_cast<float*>(memory + Tile::kStages * Tile::kStageBytes);
  }
  // While splits are merged, the factor of each split and head.
  EMBER_DEVICE float* factors() const { return sums(); }
  EMBER_DEVICE float* maxima() const { return sums() + 4 * heads * Tile::kSumStride; }  // [8][warp]
  EMBER_DEVICE float* totals() const { return maxima() + 32; }
  EMBER_DEVICE uint32_t full(int stage) const {
    return shared_address(totals() + 32) + static_cast<uint32_t>(stage * 8);
  }
  EMBER_DEVICE uint32_t empty(int stage) const {
    return full(Tile::kStages) + static_cast<uint32_t>(stage * 8);
  }
  EMBER_DEVICE int* flag() const {
    return reinterpret_cast<int*>(totals() + 32 + 4 * Tile::kStages);
  }
};

// The rows of a page that a warp's 16 keys at a time make of keys [first_key, end_key).
struct PageRows {
  int first, end;
  EMBER_DEVICE PageRows(int page, int first_key, int end_key)
      : first(max(first_key - page * kBlockTokens, 0) / 16 * 16),
        end(min(ceil_div(end_key - page * kBlockTokens, 16) * 16, kBlockTokens)) {}
};

// The tile of heads of a step's work number `index`, which is of item `item_index`.
struct DecodeHeads {
  int item_index;
  int head_tile;  // kv head * head_tiles + tile
  int kv_head, first_head, heads;

  template <class T>
  EMBER_DEVICE DecodeHeads(const AttentionArgs<T>& args, int index) {
    const int per_item = args.num_kv_heads * args.cut.head_tiles;
    item_index = index / per_item;
    head_tile = index % per_item;
    kv_head = head_tile / args.cut.head_tiles;
    const int tile = head_tile % args.cut.head_tiles;
    first_head = kv_head * args.cut.group + tile * args.cut.heads_per_tile;
    heads = min(args.cut.heads_per_tile, args.cut.group - tile * args.cut.heads_per_tile);
  }
};

template <class T>
struct DecodeWork : DecodeHeads {
  DecodeItem item;
  int first_key;  // that the query sees

  EMBER_DEVICE DecodeWork(const AttentionArgs<T>& args, int index)
      : DecodeHeads(args, index), item(args.work.items[item_index]) {
    first_key = args.window > 0 ? max(0, item.kv_len - args.window) : 0;
  }
};

template <class T>
EMBER_DEVICE int num_decode_works(const AttentionArgs<T>& args) {
  return args.work.counts->decode_items * args.num_kv_heads * args.cut.head_tiles;
}

template <class T, class Tile, class Loader>
EMBER_DEVICE void produce_pages(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                                int lane) {
  RingPosition<Tile::kStages> position;
  bool waited = false;
  const int works = num_decode_works(args);
  for (int index = static_cast<int>(blockIdx.x); index < works;
       index += static_cast<int>(gridDim.x)) {
    const DecodeWork<T> work(args, index);
    const int32_t* table = args.tables + static_cast<int64_t>(work.item.seq) * args.table_stride;
    for (int page = work.item.first_page; page < work.item.end_page; ++page, position.advance()) {
      if (!waited && page >= work.item.fresh_page) {
        wait_for_dependencies();
        Loader::fence();
        waited = true;
      }
      const T* key_slab =
          args.pool + kv_slab(table[page], 0, work.kv_head, args.num_kv_heads, Tile::kHeadDim);
      const T* value_slab =
          args.pool + kv_slab(table[page], 1, work.kv_head, args.num_kv_heads, Tile::kHeadDim);
      mbarrier_wait(shared.empty(position.stage), position.phase ^ 1);
      Loader::template load<Tile::kHeadDim>(shared.keys(position.stage), key_slab, value_slab,
                                            PageRows(page, work.first_key, work.item.kv_len),
                                            shared.full(position.stage), lane);
    }
  }
  Loader::drain();
}

// The state of one warp: its heads' softmax and weighted sums of values. Lane l holds of each eight
// heads 2 (l % 4) and the next; of the values' dimensions i * 16 + l / 4 (sums[][i][0..1]) and 8
// further (sums[][i][2..3]).
template <class Tile>
struct DecodeState {
  static constexpr int kSteps = Tile::kHeadDim / 16;
  float sums[Tile::kEights][kSteps][4];
  SoftmaxState head[Tile::kEights][2];

  EMBER_DEVICE DecodeState() {
#pragma unroll
    for (auto& eight : sums) {
#pragma unroll
      for (auto& s : eight) s[0] = s[1] = s[2] = s[3] = 0;
    }
  }
};

// The queries of a tile of heads as B operands: column l / 4 is a head. Those of a wide group have
// no room in registers: each lane keeps its own where its warp's sums will be, until a split ends.
// The others are loaded before the work ahead of theirs ends, so that nobody waits for them.
template <class T, class Tile>
struct DecodeQueries {
  static constexpr int kSteps = Tile::kHeadDim / 16, kEights = Tile::kEights;
  static constexpr bool kWide = kEights > 1;
  uint2 narrow[kWide ? 1 : kSteps];
  uint2* wide;

  EMBER_DEVICE DecodeQueries(const DecodeShared<Tile>& shared, int warp, int lane)
      : wide(reinterpret_cast<uint2*>(shared.sums() + warp * shared.heads * Tile::kSumStride) +
             lane) {
    static_assert(kEights * kSteps * 32 * sizeof(uint2) <= 8 * Tile::kSumStride * 4 || !kWide);
  }
  EMBER_DEVICE void load(const AttentionArgs<T>& args, const DecodeHeads& tile, int row, int lane) {
#pragma unroll
    for (int eight = 0; eight < kEights; ++eight) {
      const int head = eight * 8 + lane / 4;
      const T* from = args.qkv + static_cast<int64_t>(row) * args.qkv_stride +
                      (tile.first_head + head) * Tile::kHeadDim + lane % 4 * 2;
#pragma unroll
      for (int i = 0; i < kSteps; ++i) {
        uint2 v = make_uint2(0, 0);
        if (head < tile.heads) {
          v.x = *reinterpret_cast<const uint32_t*>(from + i * 16);
          v.y = *reinterpret_cast<const uint32_t*>(from + i * 16 + 8);
        }
        if constexpr (kWide)
          wide[(i * kEights + eight) * 32] = v;
        else
          narrow[i] = v;
      }
    }
  }
  EMBER_DEVICE uint2 get(int i, int eight) const {
    if constexpr (kWide)
      return wide[(i * kEights + eight) * 32];
    else
      return narrow[i];
  }
};

// The weights of 16 keys, from scores; keep: the factors for what was summed before.
EMBER_DEVICE void weigh(SoftmaxState (&head)[2], float (&p)[4], float (&keep)[2]) {
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    float top = fmaxf(p[j], p[j + 2]);
    for (int flip = 4; flip < 32; flip *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, flip));
    float base;
    keep[j] = head[j].raise(fmaxf(top, head[j].maximum), 1.0f, base);  // scores are scaled already
    p[j] = SoftmaxState::weight(p[j], 1.0f, base);
    p[j + 2] = SoftmaxState::weight(p[j + 2], 1.0f, base);
    head[j].total += p[j];
    head[j].total += p[j + 2];
  }
}

// Adds a page: 16 keys of it per warp. Keys outside [work.first_key, kv_len) are not seen.
template <class T, class Tile>
EMBER_DEVICE void attend_page(DecodeState<Tile>& state, const DecodeQueries<T, Tile>& q,
                              uint32_t keys, uint32_t values, int page,
                              const AttentionArgs<T>& args, const DecodeWork<T>& work, int warp,
                              int lane) {
  constexpr int kHeadDim = Tile::kHeadDim, kEights = Tile::kEights;
  float scores[kEights][4] = {};
  const int key_row = warp * 16 + lane % 16;
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) {
    uint32_t k[4];
    ldmatrix_x4(
        keys + static_cast<uint32_t>(kv_slab_offset<kHeadDim>(key_row, i * 16 + lane / 16 * 8) * 2),
        k);
#pragma unroll
    for (int eight = 0; eight < kEights; ++eight) {
      const uint2 b = q.get(i, eight);
      mma_16x8x16<T>(scores[eight], k, b.x, b.y);
    }
  }
  const int key = page * kBlockTokens + warp * 16 + lane / 4;
  float keep[kEights][2];
  uint32_t p[kEights][2];
#pragma unroll
  for (int eight = 0; eight < kEights; ++eight) {
    float* const s = scores[eight];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int position = key + (j >> 1) * 8;
      if (args.cap_scale != 0) s[j] = cap_score(s[j], args.cap_scale);
      s[j] =
          position >= work.first_key && position < work.item.kv_len ? s[j] * args.scale : -INFINITY;
    }
    weigh(state.head[eight], scores[eight], keep[eight]);
    p[eight][0] = movmatrix_trans(pack<T>(s[0], s[1]));
    p[eight][1] = movmatrix_trans(pack<T>(s[2], s[3]));
  }
  const int value_row = warp * 16 + lane % 8 + lane / 16 * 8, value_column = lane / 8 % 2 * 8;
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) {
    uint32_t v[4];
    ldmatrix_x4_trans(values + static_cast<uint32_t>(
                                   kv_slab_offset<kHeadDim>(value_row, i * 16 + value_column) * 2),
                      v);
#pragma unroll
    for (int eight = 0; eight < kEights; ++eight) {
      float(&sums)[4] = state.sums[eight][i];
      sums[0] *= keep[eight][0];
      sums[1] *= keep[eight][1];
      sums[2] *= keep[eight][0];
      sums[3] *= keep[eight][1];
      mma_16x8x16<T>(sums, v, p[eight][0], p[eight][1]);
    }
  }
}

EMBER_DEVICE void add_scaled(float4& sum, float factor, float4 v) {
  sum = make_float4(sum.x + factor * v.x, sum.y + factor * v.y, sum.z + factor * v.z,
                    sum.w + factor * v.w);
}

template <class T>
EMBER_DEVICE void store_four(T* to, float4 v, float factor) {
  uint2 bits;
  bits.x = pack<T>(v.x * factor, v.y * factor);
  bits.y = pack<T>(v.z * factor, v.w * factor);
  *reinterpret_cast<uint2*>(to) = bits;
}

// Where the partial results of a sequence lie for a tile of heads.
template <class T, int kHeadDim>
struct DecodePartials {
  const AttentionArgs<T>& args;
  const DecodeWork<T>& work;
  EMBER_DEVICE int64_t heads_before(int slot) const {
    return (static_cast<int64_t>(slot) * args.num_kv_heads * args.cut.head_tiles + work.head_tile) *
           args.cut.heads_per_tile;
  }
  EMBER_DEVICE float4* sums(int slot, int quad) const {
    return reinterpret_cast<float4*>(args.work.partials + heads_before(slot) * kHeadDim) + quad;
  }
  EMBER_DEVICE float2* extent(int slot, int head) const {
    return args.work.extents + heads_before(slot) + head;
  }
  EMBER_DEVICE T* out() const {
    return args.out + static_cast<int64_t>(work.item.row) * args.out_stride +
           work.first_head * kHeadDim;
  }
};

// The four warps' sums of an eight of heads become the split's result, in a fixed order: a partial
// result, or, of a sequence with one split (slot -1), the output.
template <class T, class Tile>
EMBER_DEVICE void finish_eight(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                               const DecodeWork<T>& work, int eight, int slot) {
  constexpr int kHeadDim = Tile::kHeadDim, kQuads = kHeadDim / 4;
  const float *sums = shared.sums(), *maxima = shared.maxima(), *totals = shared.totals();
  const DecodePartials<T, kHeadDim> partials{args, work};
  const int heads = min(8, work.heads - eight * 8);
  for (int i = static_cast<int>(threadIdx.x); i < heads * kQuads; i += 128) {
    const int head = i / kQuads, quad = eight * 8 * kQuads + i;
    const float4 maximum = *reinterpret_cast<const float4*>(maxima + head * 4),
                 sum = *reinterpret_cast<const float4*>(totals + head * 4);
    const float top = fmaxf(fmaxf(maximum.x, maximum.y), fmaxf(maximum.z, maximum.w));
    const float factors[4] = {rebase(maximum.x, top), rebase(maximum.y, top),
                              rebase(maximum.z, top), rebase(maximum.w, top)};
    const float total =
        sum.x * factors[0] + sum.y * factors[1] + sum.z * factors[2] + sum.w * factors[3];
    float4 v = make_float4(0, 0, 0, 0);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      add_scaled(v, factors[w],
                 *reinterpret_cast<const float4*>(
                     sums + (w * shared.heads + head) * Tile::kSumStride + i % kQuads * 4));
    }
    if (slot < 0) {
      store_four(partials.out() + quad * 4, v, 1.0f / total);
    } else {
      *partials.sums(slot, quad) = v;
      if (i % kQuads == 0) *partials.extent(slot, eight * 8 + head) = make_float2(top, total);
    }
  }
}

template <class T, class Tile>
EMBER_DEVICE void finish_split(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                               DecodeState<Tile>& state, const DecodeWork<T>& work, int slot,
                               int warp, int lane) {
#pragma unroll
  for (int eight = 0; eight < Tile::kEights; ++eight) {
    if (eight * 8 >= work.heads) break;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      SoftmaxState& softmax = state.head[eight][j];
      for (int flip = 4; flip < 32; flip *= 2)
        softmax.total += __shfl_xor_sync(~0u, softmax.total, flip);
      const int head = lane % 4 * 2 + j;
      if (lane < 4) {
        shared.maxima()[head * 4 + warp] = softmax.maximum;
        shared.totals()[head * 4 + warp] = softmax.total;
      }
      if (head >= shared.heads) continue;
      float* to = shared.sums() + (warp * shared.heads + head) * Tile::kSumStride + lane / 4;
#pragma unroll
      for (int i = 0; i < Tile::kHeadDim / 16; ++i) {
        to[i * 16] = state.sums[eight][i][j];
        to[i * 16 + 8] = state.sums[eight][i][j + 2];
      }
    }
    named_barrier_sync(1, 128);
    finish_eight(args, shared, work, eight, slot);
    named_barrier_sync(1, 128);  // the shared sums may be overwritten
  }
}

// Whether all partial results of the sequence are there, once those of this item are.
template <class T, class Tile>
EMBER_DEVICE bool arrives_last(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                               const DecodeWork<T>& work, int splits) {
  if (threadIdx.x == 0) {
    int* arrivals =
        &args.work
             .arrivals[work.item.seq * args.num_kv_heads * args.cut.head_tiles + work.head_tile];
    __threadfence();  // all threads' results, which the barrier before has shown this one
    const bool last = atomicAdd(arrivals, splits) + splits == work.item.num_slots;
    __threadfence();
    if (last) *arrivals = 0;  // for the next layer
    *shared.flag() = last;
  }
  named_barrier_sync(1, 128);
  return *shared.flag() != 0;
}

// Adds the partial results of a sequence in order. Loads do not wait for one another: those of the
// first sums are issued before the factors are known.
template <class T, class Tile>
EMBER_DEVICE void merge_splits(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                               const DecodeWork<T>& work, int warp, int lane) {
  constexpr int kHeadDim = Tile::kHeadDim, kQuads = kHeadDim / 4, kAhead = kMergeAhead,
                kHeads = Tile::kEights * 2;  // of a warp
  const DecodePartials<T, kHeadDim> partials{args, work};
  const int count = work.item.num_slots, first_slot = work.item.first_slot,
            begin = static_cast<int>(threadIdx.x), end = work.heads * kQuads;
  float4 loaded[kAhead];
  const auto load = [&](int quad, int first) {
#pragma unroll
    for (int s = 0; s < kAhead; ++s)
      loaded[s] = first + s < count ? __ldcg(partials.sums(first_slot + first + s, quad))
                                    : make_float4(0, 0, 0, 0);
  };
  load(min(begin, end - 1), 0);
  float2 extents[kHeads][kMaxSplits / 32];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int k = 0; k < kMaxSplits / 32; ++k) {
      const int head = warp + h * 4, split = lane + k * 32;
      extents[h][k] = head < work.heads && split < count
                          ? __ldcg(partials.extent(first_slot + split, head))
                          : make_float2(-INFINITY, 0);
    }
  }
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    const int head = warp + h * 4;
    float top = -INFINITY, total = 0;
#pragma unroll
    for (int k = 0; k < kMaxSplits / 32; ++k) top = fmaxf(top, extents[h][k].x);
    for (int flip = 1; flip < 32; flip *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, flip));
#pragma unroll
    for (int k = 0; k < kMaxSplits / 32; ++k) {
      const int split = lane + k * 32;
      const float factor = rebase(extents[h][k].x, top);
      total += factor * extents[h][k].y;
      if (head < work.heads && split < count) shared.factors()[split * work.heads + head] = factor;
    }
    for (int flip = 1; flip < 32; flip *= 2) total += __shfl_xor_sync(~0u, total, flip);
    if (lane == 0) shared.totals()[head] = total;
  }
  named_barrier_sync(1, 128);
  for (int i = begin; i < end; i += 128) {
    const int head = i / kQuads;
    float4 v = make_float4(0, 0, 0, 0);
    for (int first = 0; first < count; first += kAhead) {
      if (i != begin || first != 0) load(i, first);
#pragma unroll
      for (int s = 0; s < kAhead; ++s) {
        if (first + s < count)
          add_scaled(v, shared.factors()[(first + s) * work.heads + head], loaded[s]);
      }
    }
    store_four(partials.out() + i * 4, v, 1.0f / shared.totals()[head]);
  }
  named_barrier_sync(1, 128);  // the factors may be overwritten
}

template <class T, class Tile, class Loader>
EMBER_DEVICE void attend_items(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                               int warp, int lane) {
  RingPosition<Tile::kStages> position;
  const int works = num_decode_works(args);
  DecodeQueries<T, Tile> q(shared, warp, lane);
  const auto row_of = [&](int index) {
    return index < works ? args.work.items[DecodeHeads(args, index).item_index].row : 0;
  };
  const auto load_narrow = [&](int index, int row) {
    if (!q.kWide && index < works) q.load(args, DecodeHeads(args, index), row, lane);
  };
  int index = static_cast<int>(blockIdx.x);
  load_narrow(index, row_of(index));
  for (int next; index < works; index = next) {
    const DecodeWork<T> work(args, index);
    const DecodeItem& item = work.item;
    next = index + static_cast<int>(gridDim.x);
    const int next_row = row_of(next);
    int splits = 0;
    for (int begin = item.first_page; begin < item.end_page; begin += item.split_pages, ++splits) {
      if (q.kWide) q.load(args, work, item.row, lane);
      DecodeState<Tile> state;
      for (int page = begin; page < min(begin + item.split_pages, item.end_page);
           ++page, position.advance()) {
        const int stage = position.stage;
        const PageRows rows(page, work.first_key, item.kv_len);
        mbarrier_wait(shared.full(stage), position.phase);
        if (warp * 16 >= rows.first && warp * 16 < rows.end) {
          attend_page<T, Tile>(state, q, shared.keys(stage), shared.values(stage), page, args, work,
                               warp, lane);
        }
        __syncwarp();
        if (lane == 0) mbarrier_arrive(shared.empty(stage));
      }
      if (begin + item.split_pages >= item.end_page) load_narrow(next, next_row);
      // Read again: what only the ends of splits need has no room in registers meanwhile.
      const DecodeWork<T> ending(args, index);
      finish_split<T, Tile>(args, shared, state, ending,
                            ending.item.slot < 0 ? -1 : ending.item.slot + splits, warp, lane);
    }
    const DecodeWork<T> ending(args, index);
    if (ending.item.slot >= 0 && arrives_last<T, Tile>(args, shared, ending, splits))
      merge_splits<T, Tile>(args, shared, ending, warp, lane);
  }
}

template <class T, class Tile, class Loader>
__global__ void __launch_bounds__(kDecodeThreads, Tile::kCtasPerSm)
    decode_kernel(const __grid_constant__ AttentionArgs<T> args) {
  EMBER_DYNAMIC_SHARED(memory);
  const DecodeShared<Tile> shared{memory, min(8, args.cut.heads_per_tile)};
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  if (threadIdx.x == 0) {
    launch_dependents();
    for (int stage = 0; stage < Tile::kStages; ++stage) {
      mbarrier_init(shared.full(stage), Loader::kArrivals);
      mbarrier_init(shared.empty(stage), 4);
    }
    Loader::fence_init();
  }
  __syncthreads();
  if (warp == 4) {
    if (lane < Loader::kLanes) produce_pages<T, Tile, Loader>(args, shared, lane);
    return;
  }
  wait_for_dependencies();
  attend_items<T, Tile, Loader>(args, shared, warp, lane);
}

template <class T, class Tile, class Loader>
void launch_decode(const StreamRef& stream, const AttentionArgs<T>& args) {
  const size_t shared_bytes = Tile::shared_bytes(min(8, args.cut.heads_per_tile));
  const int ctas = stream.num_sms * ctas_per_sm(stream, shared_bytes, Tile::kCtasPerSm);
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(ctas)),
          .threads = kDecodeThreads,
          .shared_bytes = shared_bytes},
         decode_kernel<T, Tile, Loader>, args);
}

// Two CTAs per multiprocessor where they fit, for narrow and wide groups.
template <class T, int kHeadDim, int kStages, class Loader>
void launch_decode(const StreamRef& stream, const AttentionArgs<T>& args) {
  if (args.cut.heads_per_tile > 8)
    launch_decode<T, DecodeTile<kHeadDim, kStages, 2, 2>, Loader>(stream, args);
  else
    launch_decode<T, DecodeTile<kHeadDim, kStages, 2, 1>, Loader>(stream, args);
}

}  // namespace ember::kernels
