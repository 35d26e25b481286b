// SPDX-License-Identifier: Apache-2.0
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "ember/base/integers.h"
#include "kernels/attention.h"
#include "kernels/attention_plan.h"
#include "kernels/common/launch.h"

namespace ember::kernels {

namespace {

constexpr int kPlanThreads = 256;
constexpr float kLog2E = 1.44269504f;
constexpr int kMaxGroup = kPrefillRowsSm80;

struct PlanArgs {
  AttentionWorkspace work;
  AttentionCut cut;
  const int32_t* q_starts;
  const int32_t* kv_lens;
  int num_seqs, num_decodes, window, counters_per_seq;
};

// Exclusive sums of v over the CTA's threads; `total` is that of all. `sums` has one element per
// warp.
EMBER_DEVICE int exclusive_sum(int v, int* sums, int* total) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  int upto = v;
  for (int offset = 1; offset < 32; offset *= 2) {
    const int other = __shfl_up_sync(~0u, upto, static_cast<unsigned>(offset));
    if (lane >= offset) upto += other;
  }
  __syncthreads();  // sums of an earlier call have been read
  if (lane == 31) sums[warp] = upto;
  __syncthreads();
  int before = 0;
  *total = 0;
  for (int w = 0; w < kPlanThreads / 32; ++w) {
    if (w < warp) before += sums[w];
    *total += sums[w];
  }
  return before + upto - v;
}

// What a CTA is to take of sequence `seq`.
struct PlannedSequence {
  int kv_len, row, q_len;
  bool decodes, chunk;
  Splits splits;

  EMBER_DEVICE PlannedSequence(const PlanArgs& args, int seq) : splits{} {
    kv_len = seq < args.num_seqs ? args.kv_lens[seq] : 0;
    const bool real = kv_len > 0;
    row = real ? args.q_starts[seq] : 0;
    q_len = real ? args.q_starts[seq + 1] - row : 0;
    decodes = real && seq < args.num_decodes;
    chunk = real && !decodes;
    if (decodes) splits = split_sequence(kv_len, args.window, args.cut.max_splits);
  }
};

// How many splits of a sequence a CTA takes at once: one, unless there is much more work than the
// device takes at a time.
EMBER_DEVICE int splits_per_item(const PlanArgs& args, int* sums) {
  int splits = 0;
  for (int base = 0; base < args.num_decodes; base += kPlanThreads) {
    int all;
    exclusive_sum(PlannedSequence(args, base + static_cast<int>(threadIdx.x)).splits.count, sums,
                  &all);
    splits += all;
  }
  return max(1, splits * args.counters_per_seq / args.cut.wanted_works);
}

// One CTA; each thread cuts one sequence at a time. Never lets its dependents begin early: see
// plan_attention.
__global__ void __launch_bounds__(kPlanThreads) plan_kernel(const __grid_constant__ PlanArgs args) {
  __shared__ int sums[kPlanThreads / 32];
  const int per_item = splits_per_item(args, sums);
  int num_items = 0, num_slots = 0, num_tiles = 0;
  for (int base = 0; base < args.num_seqs; base += kPlanThreads) {
    const int seq = base + static_cast<int>(threadIdx.x);
    const PlannedSequence s(args, seq);
    const int tiles = s.chunk ? ceil_div(s.q_len, args.cut.tile_tokens) : 0;

    int all_items, all_slots, all_tiles;
    const int items = ceil_div(s.splits.count, per_item),
              first_item = num_items + exclusive_sum(items, sums, &all_items),
              first_slot = num_slots + exclusive_sum(s.splits.count, sums, &all_slots);
    for (int i = 0; i < items; ++i) {
      const int pages = per_item * s.splits.pages_each, begin = s.splits.first_page + i * pages,
                end = s.splits.first_page + s.splits.pages;
      args.work.items[first_item + i] = {
          .seq = seq,
          .kv_len = s.kv_len,
          .row = s.row,
          .first_page = begin,
          .end_page = min(begin + pages, end),
          .split_pages = s.splits.pages_each,
          .slot = s.splits.count > 1 ? first_slot + i * per_item : -1,
          .first_slot = first_slot,
          .num_slots = s.splits.count};
    }
    const int first_tile = num_tiles + exclusive_sum(tiles, sums, &all_tiles);
    for (int i = 0; i < tiles; ++i) {  // the longest first
      const int at = (tiles - 1 - i) * args.cut.tile_tokens;
      args.work.tiles[first_tile + i] = {seq, s.row + at, min(args.cut.tile_tokens, s.q_len - at),
                                         s.kv_len - s.q_len + at};
    }
    for (int i = 0; s.decodes && i < args.counters_per_seq; ++i)
      args.work.arrivals[seq * args.counters_per_seq + i] = 0;
    num_items += all_items;
    num_slots += all_slots;
    num_tiles += all_tiles;
  }
  if (threadIdx.x == 0) *args.work.counts = {num_items, num_tiles};
  // Kernels that begin early may start when this one exits, before its stores would be flushed.
  __threadfence();
}

template <class T>
void run_attention(const StreamRef& stream, const AttentionShape& shape, const AttentionBatch& b,
                   const AttentionArgs<T>& args) {
  if (b.num_decodes > 0) {
    if (is_hopper(stream))
      decode_sm90<T>(stream, shape, args);
    else
      decode_sm80<T>(stream, shape, args);
  }
  if (b.num_seqs > b.num_decodes) {
    if (is_hopper(stream))
      prefill_sm90<T>(stream, shape, args, b.num_tokens);
    else
      prefill_sm80<T>(stream, shape, args);
  }
}

}  // namespace

AttentionCut cut_attention(const StreamRef& stream, const AttentionShape& shape) {
  AttentionCut cut{};
  cut.group = shape.num_heads / shape.num_kv_heads;
  cut.head_tiles = ceil_div(cut.group, 8);
  cut.heads_per_tile = std::min(cut.group, 8);
  cut.tile_tokens = (is_hopper(stream) ? kPrefillRowsSm90 : kPrefillRowsSm80) / cut.group;
  // Enough to fill a device with one long sequence; a constant, so that results do not depend on
  // the device's size.
  cut.max_splits = std::clamp(128 / (shape.num_kv_heads * cut.head_tiles), 4, kMaxSplits);
  // Four for each of the two CTAs of a multiprocessor, so that the last to end is not much later
  // than the others.
  cut.wanted_works = stream.num_sms * 8;
  return cut;
}

AttentionWorkspace workspace_of(const StreamRef& stream, const AttentionShape& shape,
                                void* workspace, size_t* bytes) {
  const AttentionCut cut = cut_attention(stream, shape);
  const size_t seqs = static_cast<size_t>(shape.max_seqs),
               head_tiles = static_cast<size_t>(shape.num_kv_heads * cut.head_tiles);
  const int pages = ceil_div(shape.max_model_len, kBlockTokens);
  const size_t slots =
      seqs * static_cast<size_t>(std::min(cut.max_splits, ceil_div(pages, kSplitPages)));
  size_t at = 0;
  const auto take = [&at, workspace]<class E>(E*& array, size_t count) {
    array = reinterpret_cast<E*>(static_cast<char*>(workspace) + at);
    at = (at + count * sizeof(E) + 255) / 256 * 256;
  };
  AttentionWorkspace w{};
  take(w.counts, 1);
  take(w.items, slots);
  take(w.tiles, static_cast<size_t>(shape.max_tokens / cut.tile_tokens) + seqs);
  take(w.arrivals, seqs * head_tiles);
  take(w.extents, slots * head_tiles * static_cast<size_t>(cut.heads_per_tile));
  take(w.partials, slots * head_tiles * static_cast<size_t>(cut.heads_per_tile * shape.head_dim));
  if (bytes != nullptr) *bytes = at;
  return w;
}

void check_attention(const StreamRef& stream, const AttentionShape& shape) {
  const auto refuse = [](const std::string& why) {
    throw std::runtime_error("no attention kernel: " + why);
  };
  if (stream.sm < 80) refuse("compute capability 8.0 or later is needed");
  if (shape.dtype != DType::kF16 && shape.dtype != DType::kBF16)
    refuse(std::string("for ") + name_of(shape.dtype) + "; float16 and bfloat16 exist");
  if (shape.head_dim != 64 && shape.head_dim != 96 && shape.head_dim != 128 &&
      shape.head_dim != 256) {
    refuse("for head_dim " + std::to_string(shape.head_dim) + "; 64, 96, 128 and 256 exist");
  }
  if (shape.num_kv_heads < 1 || shape.num_heads < 1 || shape.num_heads % shape.num_kv_heads != 0 ||
      shape.num_heads / shape.num_kv_heads > kMaxGroup) {
    refuse("for " + std::to_string(shape.num_heads) + " heads over " +
           std::to_string(shape.num_kv_heads) + " kv heads; groups of 1 to " +
           std::to_string(kMaxGroup) + " exist");
  }
  if (!(shape.scale > 0) || shape.window < 0 || !(shape.softcap >= 0))
    refuse("scale must be positive, window and softcap not negative");
}

size_t attention_workspace_bytes(const StreamRef& stream, const AttentionShape& shape) {
  check_attention(stream, shape);
  size_t bytes = 0;
  workspace_of(stream, shape, nullptr, &bytes);
  return bytes;
}

void plan_attention(const StreamRef& stream, const AttentionShape& shape, const AttentionBatch& b,
                    void* workspace) {
  if (b.num_seqs > shape.max_seqs || b.num_tokens > shape.max_tokens ||
      b.max_kv_len > shape.max_model_len) {
    throw std::runtime_error(
        "attention: a batch of " + std::to_string(b.num_seqs) + " sequences, " +
        std::to_string(b.num_tokens) + " tokens and up to " + std::to_string(b.max_kv_len) +
        " positions; the workspace is for " + std::to_string(shape.max_seqs) + ", " +
        std::to_string(shape.max_tokens) + " and " + std::to_string(shape.max_model_len));
  }
  const AttentionCut cut = cut_attention(stream, shape);
  const PlanArgs args{workspace_of(stream, shape, workspace),
                      cut,
                      b.q_starts,
                      b.kv_lens,
                      b.num_seqs,
                      b.num_decodes,
                      shape.window,
                      shape.num_kv_heads * cut.head_tiles};
  StreamRef barrier = stream;
  barrier.pdl = false;
  launch(barrier, {.grid = dim3(1), .threads = kPlanThreads}, plan_kernel, args);
}

void attention(const StreamRef& stream, const AttentionShape& shape, const AttentionBatch& b,
               void* out, int64_t out_stride, const void* qkv, int64_t qkv_stride,
               const void* kv_pool, void* workspace) {
  const auto run = [&]<class T>(T* typed_out) {
    run_attention<T>(stream, shape, b,
                     {workspace_of(stream, shape, workspace), cut_attention(stream, shape),
                      static_cast<const T*>(qkv), typed_out, static_cast<const T*>(kv_pool),
                      b.block_tables, qkv_stride, out_stride, b.table_stride, shape.num_kv_heads,
                      shape.window, (shape.softcap > 0 ? shape.softcap : shape.scale) * kLog2E,
                      shape.softcap > 0 ? 2 * kLog2E * shape.scale / shape.softcap : 0.0f});
  };
  if (shape.dtype == DType::kF16)
    run(static_cast<__half*>(out));
  else
    run(static_cast<__nv_bfloat16*>(out));
}

}  // namespace ember::kernels
