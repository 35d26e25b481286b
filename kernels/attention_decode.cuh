// SPDX-License-Identifier: Apache-2.0
// Paged decode attention, transposed so that few query heads waste little: keys are the M side of
// mma.sync. Per warp and 64-token page: S^T[16 keys x 8 heads] = K Q^T, softmax over the keys by
// shuffles, O^T[head_dim x 8 heads] += V^T P^T.
//
// Four compute warps take 16 keys of each page; a producer warp keeps a ring of pages full (the
// Loader: bulk copies on sm_90, cp.async elsewhere). Work lists, tables and pages without this
// step's tokens are constant since plan_attention and are read before the programmatic dependency
// is waited for. The CTA that finishes a sequence's last split merges all of them in order.
#pragma once

#include "kernels/attention_plan.h"
#include "kernels/common/launch.h"
#include "kernels/common/numeric.cuh"
#include "kernels/common/pipeline.cuh"
#include "kernels/softmax.cuh"

namespace ember::kernels {

inline constexpr int kDecodeThreads = 160;  // four compute warps, then the producer

template <int kHeadDim_, int kStages_, int kCtasPerSm_>
struct DecodeTile {
  static constexpr int kHeadDim = kHeadDim_, kStages = kStages_, kCtasPerSm = kCtasPerSm_;
  static constexpr int kSlabBytes = kBlockTokens * kHeadDim * 2,
                       kStageBytes = 2 * kSlabBytes;  // K, then V
  static constexpr int kSumStride =
      kHeadDim + 4;  // padded: stores of a warp's sums meet no bank twice

  // [stages | sums of each warp and head | maxima, sums of exponentials [4][8] each | barriers |
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
  EMBER_DEVICE float* maxima() const { return sums() + 4 * heads * Tile::kSumStride; }  // [warp][8]
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

// Item and tile of heads number `index` of a step.
template <class T>
struct DecodeWork {
  DecodeItem item;
  int head_tile;  // kv head * head_tiles + tile
  int kv_head, first_head, heads;

  EMBER_DEVICE DecodeWork(const AttentionArgs<T>& args, int index) {
    const int per_item = args.num_kv_heads * args.cut.head_tiles;
    item = args.work.items[index / per_item];
    head_tile = index % per_item;
    kv_head = head_tile / args.cut.head_tiles;
    const int tile = head_tile % args.cut.head_tiles;
    first_head = kv_head * args.cut.group + tile * 8;
    heads = min(8, args.cut.group - tile * 8);
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
    const int fresh = (work.item.kv_len - 1) / kBlockTokens;  // the page that this step writes to
    for (int page = work.item.first_page; page < work.item.end_page; ++page, position.advance()) {
      if (!waited && page == fresh) {
        wait_for_dependencies();
        Loader::fence();
        waited = true;
      }
      const T* key_slab =
          args.pool + kv_slab(table[page], 0, work.kv_head, args.num_kv_heads, Tile::kHeadDim);
      const T* value_slab =
          args.pool + kv_slab(table[page], 1, work.kv_head, args.num_kv_heads, Tile::kHeadDim);
      mbarrier_wait(shared.empty(position.stage), position.phase ^ 1);
      Loader::template load<Tile::kSlabBytes>(shared.keys(position.stage), key_slab, value_slab,
                                              shared.full(position.stage), lane);
    }
  }
  Loader::drain();
}

// The state of one warp: its heads' softmax and weighted sums of values. Lane l holds heads
// 2 (l % 4) and the next; of the values' dimensions i * 16 + l / 4 (sums[i][0..1]) and 8 further
// (sums[i][2..3]).
template <int kHeadDim>
struct DecodeState {
  float sums[kHeadDim / 16][4];
  SoftmaxState head[2];

  EMBER_DEVICE DecodeState() {
#pragma unroll
    for (int i = 0; i < kHeadDim / 16; ++i) sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = 0;
  }
};

// Adds a page: 16 keys of it per warp. Keys outside [first_key, end_key) are not seen.
template <class T, int kHeadDim>
EMBER_DEVICE void attend_page(DecodeState<kHeadDim>& state, const uint32_t (&q)[kHeadDim / 16][2],
                              uint32_t keys, uint32_t values, int page, int first_key, int end_key,
                              float scale, float cap_scale, int warp, int lane) {
  float scores[4] = {0, 0, 0, 0};
  const int key_row = warp * 16 + lane % 16;
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) {
    uint32_t k[4];
    ldmatrix_x4(
        keys + static_cast<uint32_t>(kv_slab_offset<kHeadDim>(key_row, i * 16 + lane / 16 * 8) * 2),
        k);
    mma_16x8x16<T>(scores, k, q[i][0], q[i][1]);
  }
  const int key = page * kBlockTokens + warp * 16 + lane / 4;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int position = key + (j >> 1) * 8;
    if (cap_scale != 0) scores[j] = cap_score(scores[j], cap_scale);
    scores[j] = position >= first_key && position < end_key ? scores[j] * scale : -INFINITY;
  }
  float keep[2], p[4];  // the scores are scaled already
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    float top = fmaxf(scores[j], scores[j + 2]);
    for (int flip = 4; flip < 32; flip *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, flip));
    float base;
    keep[j] = state.head[j].raise(fmaxf(top, state.head[j].maximum), 1.0f, base);
    p[j] = SoftmaxState::weight(scores[j], 1.0f, base);
    p[j + 2] = SoftmaxState::weight(scores[j + 2], 1.0f, base);
    state.head[j].total += p[j];
    state.head[j].total += p[j + 2];
  }
  const uint32_t p0 = movmatrix_trans(pack<T>(p[0], p[1])),
                 p1 = movmatrix_trans(pack<T>(p[2], p[3]));
  const int value_row = warp * 16 + lane % 8 + lane / 16 * 8, value_column = lane / 8 % 2 * 8;
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) {
    uint32_t v[4];
    ldmatrix_x4_trans(values + static_cast<uint32_t>(
                                   kv_slab_offset<kHeadDim>(value_row, i * 16 + value_column) * 2),
                      v);
    state.sums[i][0] *= keep[0];
    state.sums[i][1] *= keep[1];
    state.sums[i][2] *= keep[0];
    state.sums[i][3] *= keep[1];
    mma_16x8x16<T>(state.sums[i], v, p0, p1);
  }
}

template <class T>
EMBER_DEVICE void store_four(T* to, float4 v, float factor) {
  uint2 bits;
  bits.x = pack<T>(v.x * factor, v.y * factor);
  bits.y = pack<T>(v.z * factor, v.w * factor);
  *reinterpret_cast<uint2*>(to) = bits;
}

// The four warps' states become the item's result, in a fixed order: the output itself, or a
// partial result, and with the last one of its sequence the output.
template <class T, class Tile>
EMBER_DEVICE void finish_item(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                              DecodeState<Tile::kHeadDim>& state, const DecodeWork<T>& work,
                              int warp, int lane) {
  constexpr int kHeadDim = Tile::kHeadDim, kQuads = kHeadDim / 4;
  float *sums = shared.sums(), *maxima = shared.maxima(), *totals = shared.totals();
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    for (int flip = 4; flip < 32; flip *= 2)
      state.head[j].total += __shfl_xor_sync(~0u, state.head[j].total, flip);
    if (lane < 4) {
      maxima[warp * 8 + lane * 2 + j] = state.head[j].maximum;
      totals[warp * 8 + lane * 2 + j] = state.head[j].total;
    }
  }
  named_barrier_sync(1, 128);
  const auto maximum_of = [maxima](int head) {
    return fmaxf(fmaxf(maxima[head], maxima[8 + head]),
                 fmaxf(maxima[16 + head], maxima[24 + head]));
  };
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    const int head = lane % 4 * 2 + j;
    if (head < work.heads) {
      const float factor = rebase(state.head[j].maximum, maximum_of(head));
      float* to = sums + (warp * work.heads + head) * Tile::kSumStride + lane / 4;
#pragma unroll
      for (int i = 0; i < kHeadDim / 16; ++i) {
        to[i * 16] = state.sums[i][j] * factor;
        to[i * 16 + 8] = state.sums[i][j + 2] * factor;
      }
    }
  }
  named_barrier_sync(1, 128);

  const bool split = work.item.slot >= 0;
  const int head_tiles = args.num_kv_heads * args.cut.head_tiles;
  const auto place = [&](int slot) {
    return static_cast<int64_t>(slot) * head_tiles + work.head_tile;
  };
  const auto partial = [&](int slot) {
    return args.work.partials + place(slot) * args.cut.heads_per_tile * kHeadDim;
  };
  T* out =
      args.out + static_cast<int64_t>(work.item.row) * args.out_stride + work.first_head * kHeadDim;
  for (int i = static_cast<int>(threadIdx.x); i < work.heads * kQuads; i += 128) {
    const int head = i / kQuads, d = i % kQuads * 4;
    const float top = maximum_of(head);
    float total = 0;
    float4 v = make_float4(0, 0, 0, 0);
    for (int w = 0; w < 4; ++w) {
      total += totals[w * 8 + head] * rebase(maxima[w * 8 + head], top);
      const float* from = sums + (w * work.heads + head) * Tile::kSumStride + d;
      v = make_float4(v.x + from[0], v.y + from[1], v.z + from[2], v.w + from[3]);
    }
    if (split) {
      *reinterpret_cast<float4*>(partial(work.item.slot) + head * kHeadDim + d) = v;
      if (d == 0) args.work.extents[place(work.item.slot) * 8 + head] = make_float2(top, total);
    } else {
      store_four(out + i * 4, v, 1.0f / total);
    }
  }
  if (split) {
    int* arrivals = &args.work.arrivals[work.item.seq * head_tiles + work.head_tile];
    __threadfence();
    named_barrier_sync(1, 128);
    if (threadIdx.x == 0) *shared.flag() = atomicAdd(arrivals, 1) == work.item.num_slots - 1;
    named_barrier_sync(1, 128);
    if (*shared.flag()) {
      __threadfence();
      for (int i = static_cast<int>(threadIdx.x); i < work.heads * kQuads; i += 128) {
        const int head = i / kQuads, d = i % kQuads * 4;
        float top = -INFINITY, total = 0;
        for (int s = 0; s < work.item.num_slots; ++s)
          top =
              fmaxf(top, __ldcg(&args.work.extents[place(work.item.first_slot + s) * 8 + head]).x);
        float4 v = make_float4(0, 0, 0, 0);
#pragma unroll 4
        for (int s = 0; s < work.item.num_slots; ++s) {
          const float2 extent =
              __ldcg(&args.work.extents[place(work.item.first_slot + s) * 8 + head]);
          const float4 part = __ldcg(reinterpret_cast<const float4*>(
              partial(work.item.first_slot + s) + head * kHeadDim + d));
          const float factor = rebase(extent.x, top);
          total += factor * extent.y;
          v = make_float4(v.x + factor * part.x, v.y + factor * part.y, v.z + factor * part.z,
                          v.w + factor * part.w);
        }
        store_four(out + i * 4, v, 1.0f / total);
      }
      if (threadIdx.x == 0) *arrivals = 0;  // for the next layer
    }
  }
  named_barrier_sync(1, 128);  // the shared sums may be overwritten
}

template <class T, class Tile, class Loader>
EMBER_DEVICE void attend_items(const AttentionArgs<T>& args, const DecodeShared<Tile>& shared,
                               int warp, int lane) {
  constexpr int kHeadDim = Tile::kHeadDim;
  RingPosition<Tile::kStages> position;
  const int works = num_decode_works(args);
  for (int index = static_cast<int>(blockIdx.x); index < works;
       index += static_cast<int>(gridDim.x)) {
    const DecodeWork<T> work(args, index);
    uint32_t q[kHeadDim / 16][2];  // column l / 4 of Q^T: a head
    const T* head = args.qkv + static_cast<int64_t>(work.item.row) * args.qkv_stride +
                    (work.first_head + lane / 4) * kHeadDim + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kHeadDim / 16; ++i) {
      q[i][0] = lane / 4 < work.heads ? *reinterpret_cast<const uint32_t*>(head + i * 16) : 0;
      q[i][1] = lane / 4 < work.heads ? *reinterpret_cast<const uint32_t*>(head + i * 16 + 8) : 0;
    }
    const int first_key = args.window > 0 ? work.item.kv_len - args.window : 0;
    DecodeState<kHeadDim> state;
    for (int page = work.item.first_page; page < work.item.end_page; ++page, position.advance()) {
      const int stage = position.stage;
      mbarrier_wait(shared.full(stage), position.phase);
      attend_page<T, kHeadDim>(state, q, shared.keys(stage), shared.values(stage), page, first_key,
                               work.item.kv_len, args.scale, args.cap_scale, warp, lane);
      __syncwarp();
      if (lane == 0) mbarrier_arrive(shared.empty(stage));
    }
    finish_item<T, Tile>(args, shared, state, work, warp, lane);
  }
}

template <class T, class Tile, class Loader>
__global__ void __launch_bounds__(kDecodeThreads, Tile::kCtasPerSm)
    decode_kernel(const __grid_constant__ AttentionArgs<T> args) {
  EMBER_DYNAMIC_SHARED(memory);
  const DecodeShared<Tile> shared{memory, args.cut.heads_per_tile};
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
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(stream.num_sms * Tile::kCtasPerSm)),
          .threads = kDecodeThreads,
          .shared_bytes = Tile::shared_bytes(args.cut.heads_per_tile)},
         decode_kernel<T, Tile, Loader>, args);
}

}  // namespace ember::kernels
