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
constexpr int kMaxPieces = 8;  // of prefill for each multiprocessor: 69 KB each with head_dim 128
constexpr int kMaxGroup = kPrefillRowsSm80;

struct PlanArgs {
  AttentionWorkspace work;
  AttentionCut cut;
  const int32_t* q_starts;
  const int32_t* kv_lens;
  const int32_t* tables;
  int table_stride, num_seqs, num_decodes, head_dim, window, counters_per_seq, piece_counters;
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
  int seq, kv_len, row, q_len;
  bool decodes;
  Splits splits;
  int tiles;  // of prefill

  EMBER_DEVICE PlannedSequence(const PlanArgs& args, int number) : seq(number), splits{} {
    kv_len = seq < args.num_seqs ? args.kv_lens[seq] : 0;
    const bool real = kv_len > 0;
    row = real ? args.q_starts[seq] : 0;
    q_len = real ? args.q_starts[seq + 1] - row : 0;
    decodes = real && seq < args.num_decodes;
    tiles = real && !decodes ? ceil_div(q_len, args.cut.tile_tokens) : 0;
    if (decodes)
      splits = split_sequence(kv_len, args.window, args.cut.max_splits, args.cut.split_pages);
  }

  // The first page of a decode that this step writes to. Drafts are decodes that follow the one
  // that they go on from, each a token longer, and share its blocks, also those that are not full:
  // no other sequences do.
  EMBER_DEVICE int fresh_page(const PlanArgs& args) const {
    int first = seq, length = kv_len;
    const auto block_before = [&](int s) {
      return args.tables[static_cast<int64_t>(s) * args.table_stride + (length - 2) / kBlockTokens];
    };
    while (first > 0 && length > 1 && args.kv_lens[first - 1] == length - 1 &&
           block_before(first - 1) == block_before(first))
      --first, --length;
    return (length - 1) / kBlockTokens;
  }
};

// What all sequences of the step come to.
struct PlannedStep {
  int splits_per_item;  // that a CTA takes at once: one, unless there is much more work than the
                        // device takes at a time
  bool few_tiles;

  EMBER_DEVICE PlannedStep(const PlanArgs& args, int* sums) {
    int splits = 0, tiles = 0;
    for (int base = 0; base < args.num_seqs; base += kPlanThreads) {
      const PlannedSequence s(args, base + static_cast<int>(threadIdx.x));
      int all;
      exclusive_sum(s.splits.count, sums, &all);
      splits += all;
      exclusive_sum(s.tiles, sums, &all);
      tiles += all;
    }
    splits_per_item = max(1, splits * args.counters_per_seq / args.cut.wanted_works);
    few_tiles = tiles <= args.cut.few_tiles;
  }
};

// The prefill tiles of one sequence, the longest first; those of a step with few tiles in pieces,
// as long as there are slots for them.
struct PlannedTiles {
  const PlanArgs& args;
  const PlannedSequence& s;
  bool few;

  EMBER_DEVICE PrefillTile tile(int i) const {
    const int at = (s.tiles - 1 - i) * args.cut.tile_tokens;
    return {.seq = s.seq,
            .row = s.row + at,
            .tokens = min(args.cut.tile_tokens, s.q_len - at),
            .position = s.kv_len - s.q_len + at,
            .split = -1,
            .slot = 0};
  }
  EMBER_DEVICE int pieces(const PrefillTile& t) const {
    const Pieces p = pieces_of(args.head_dim, t.position, t.tokens, args.window);
    return few && p.end - p.first > 1 ? p.end - p.first : 0;
  }
  EMBER_DEVICE int num_slots() const {
    int slots = 0;
    for (int i = 0; few && i < s.tiles; ++i) slots += pieces(tile(i));
    return slots;
  }
  // Calls each(work) for those with slots from first_slot on.
  template <class Each>
  EMBER_DEVICE void works(int first_slot, const Each& each) const {
    for (int i = 0; i < s.tiles; ++i) {
      PrefillTile work = tile(i);
      const int count = pieces(work);
      work.slot = first_slot;
      first_slot += count;
      if (count == 0 || first_slot > args.cut.prefill_slots) {
        each(work);
        continue;
      }
      const int first = pieces_of(args.head_dim, work.position, work.tokens, args.window).first;
      for (int p = 0; p < count; ++p) {
        work.split = first + p;
        each(work);
      }
    }
  }
};

// One CTA; each thread cuts one sequence at a time. Never lets its dependents begin early: see
// plan_attention.
__global__ void __launch_bounds__(kPlanThreads) plan_kernel(const __grid_constant__ PlanArgs args) {
  __shared__ int sums[kPlanThreads / 32];
  const PlannedStep step(args, sums);
  const int per_item = step.splits_per_item;
  int num_items = 0, num_slots = 0, num_tiles = 0, num_pieces = 0;
  for (int base = 0; base < args.num_seqs; base += kPlanThreads) {
    const int seq = base + static_cast<int>(threadIdx.x);
    const PlannedSequence s(args, seq);
    int all_items, all_slots, all_tiles, all_pieces;
    const int items = ceil_div(s.splits.count, per_item),
              first_item = num_items + exclusive_sum(items, sums, &all_items),
              first_slot = num_slots + exclusive_sum(s.splits.count, sums, &all_slots),
              fresh_page = s.decodes ? s.fresh_page(args) : 0;
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
          .fresh_page = fresh_page,
          .slot = s.splits.count > 1 ? first_slot + i * per_item : -1,
          .first_slot = first_slot,
          .num_slots = s.splits.count};
    }
    const PlannedTiles tiles{args, s, step.few_tiles};
    const int first_piece = num_pieces + exclusive_sum(tiles.num_slots(), sums, &all_pieces);
    int works = 0;
    tiles.works(first_piece, [&works](const PrefillTile&) { ++works; });
    PrefillTile* next = args.work.tiles + num_tiles + exclusive_sum(works, sums, &all_tiles);
    tiles.works(first_piece, [&](const PrefillTile& work) {
      *next++ = work;
      for (int i = 0; work.split >= 0 && i < args.piece_counters; ++i)
        args.work.piece_arrivals[work.slot * args.piece_counters + i] = 0;
    });
    for (int i = 0; s.decodes && i < args.counters_per_seq; ++i)
      args.work.arrivals[seq * args.counters_per_seq + i] = 0;
    num_items += all_items;
    num_slots += all_slots;
    num_tiles += all_tiles;
    num_pieces += all_pieces;
  }
  if (threadIdx.x == 0) {
    *args.work.counts = {num_items, num_tiles};
    *args.work.draws = 0;
  }
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
  cut.head_tiles = ceil_div(cut.group, shape.head_dim > 128 ? 8 : 16);
  cut.heads_per_tile = ceil_div(cut.group, cut.head_tiles);
  cut.tile_tokens = (is_hopper(stream) ? kPrefillRowsSm90 : kPrefillRowsSm80) / cut.group;
  // Enough to fill a device with one long sequence; a constant, so that results do not depend on
  // the device's size.
  cut.max_splits = std::clamp(128 / (shape.num_kv_heads * cut.head_tiles), 4, kMaxSplits);
  cut.split_pages = shape.tuning.split_pages;
  // Four for each of the two CTAs of a multiprocessor, so that the last to end is not much later
  // than the others.
  cut.wanted_works = stream.num_sms * 8;
  // Works of half the device are few enough to gain from more, smaller ones.
  const int pieces = ceil_div(shape.max_model_len, piece_keys(shape.head_dim));
  cut.few_tiles = std::max(1, stream.num_sms / 2 / shape.num_kv_heads);
  if (is_hopper(stream) && pieces > 1) {
    cut.prefill_slots = std::max(
        pieces, std::min(cut.few_tiles * pieces, kMaxPieces * stream.num_sms / shape.num_kv_heads));
  }
  return cut;
}

AttentionWorkspace workspace_of(const StreamRef& stream, const AttentionShape& shape,
                                void* workspace, size_t* bytes) {
  const AttentionCut cut = cut_attention(stream, shape);
  const size_t seqs = static_cast<size_t>(shape.max_seqs),
               head_tiles = static_cast<size_t>(shape.num_kv_heads * cut.head_tiles);
  const int pages = ceil_div(shape.max_model_len, kBlockTokens);
  const size_t slots =
      seqs * static_cast<size_t>(std::min(cut.max_splits, ceil_div(pages, cut.split_pages)));
  size_t at = 0;
  const auto take = [&at, workspace]<class E>(E*& array, size_t count) {
    array = reinterpret_cast<E*>(static_cast<char*>(workspace) + at);
    at = (at + count * sizeof(E) + 255) / 256 * 256;
  };
  AttentionWorkspace w{};
  take(w.counts, 1);
  take(w.items, slots);
  take(w.tiles, static_cast<size_t>(shape.max_tokens / cut.tile_tokens + cut.prefill_slots) + seqs);
  take(w.draws, 1);
  if (cut.prefill_slots > 0) {
    const auto states = static_cast<size_t>(cut.prefill_slots * shape.num_kv_heads);
    take(w.piece_arrivals, states * 8);
    take(w.pieces, (states + static_cast<size_t>(stream.num_sms)) *
                       static_cast<size_t>(piece_quads(shape.head_dim)));
  }
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
                      b.block_tables,
                      b.table_stride,
                      b.num_seqs,
                      b.num_decodes,
                      shape.head_dim,
                      shape.window,
                      shape.num_kv_heads * cut.head_tiles,
                      shape.num_kv_heads * 8};
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
                      shape.softcap > 0 ? 2 * kLog2E * shape.scale / shape.softcap : 0.0f,
                      shape.tuning.turns.value_or(shape.head_dim <= 128)});
  };
  if (shape.dtype == DType::kF16)
    run(static_cast<__half*>(out));
  else
    run(static_cast<__nv_bfloat16*>(out));
}

}  // namespace ember::kernels
