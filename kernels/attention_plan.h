// SPDX-License-Identifier: Apache-2.0
// The work lists of a step and where they lie in the workspace.
#pragma once

#include <cstdint>

#include "ember/base/integers.h"
#include "kernels/attention.h"
#include "kernels/common/layout.h"

namespace ember::kernels {

// Pages [first_page, end_page) of one decoding sequence, a run of its splits, to be attended to by
// each of its kv heads.
struct DecodeItem {
  int32_t seq, kv_len;
  int32_t row;  // of qkv and out
  int32_t first_page, end_page, split_pages;
  int32_t fresh_page;             // the first of its pages that this step writes to
  int32_t slot;                   // of the first split's partial result; -1: the sequence has one
  int32_t first_slot, num_slots;  // of the sequence: one for each of its splits
};

// Query tokens [row, row + tokens) of one chunk, the first at `position`. `split`: which piece of
// their keys; -1: all, one after the other.
struct PrefillTile {
  int32_t seq, row, tokens, position;
  int32_t split;
  int32_t slot;  // of the result of the first piece
};

struct AttentionCounts {
  int32_t decode_items, prefill_tiles;
};

// How a shape is cut up on a device.
struct AttentionCut {
  int group;       // query heads per kv head
  int head_tiles;  // tiles of at most 16 query heads, 8 of the widest, per kv head (decode)
  int heads_per_tile;
  int tile_tokens;    // query tokens of a prefill tile
  int prefill_slots;  // results of pieces of keys (prefill), for each kv head
  int few_tiles;      // of prefill: with no more in a step, their pieces are works of their own
  int max_splits;     // of a sequence (decode)
  int split_pages;    // AttentionTuning
  int wanted_works;   // items x tiles of heads (decode), where there are as many
};

struct AttentionWorkspace {
  AttentionCounts* counts;
  DecodeItem* items;
  PrefillTile* tiles;
  int32_t* draws;           // of works of prefill, by the CTAs of a layer
  int32_t* piece_arrivals;  // [slot][kv head][8 warps] results of a tile's pieces that are there
  float4* pieces;  // [slot][kv head], then one for each CTA: the state of a prefill CTA's threads
  int32_t* arrivals;  // [max_seqs][num_kv_heads * head_tiles] partial results that are there
  // [slot][num_kv_heads * head_tiles][heads_per_tile] maximum and sum of a head's exponentials
  float2* extents;
  float* partials;  // [slot][num_kv_heads * head_tiles][heads_per_tile][head_dim]
};

inline constexpr int kMaxSplits = 64;   // of any sequence
inline constexpr int kMergeAhead = 16;  // partial results that a thread loads at a time
// On sm_90 keys of prefill are cut into pieces at multiples of this: each has a result of its own,
// and they are added in order. So a few queries with a long context can be shared by many CTAs, and
// bits depend on positions alone. With the widest heads all keys are one piece: a thread that holds
// such sums has no registers to add others.
inline constexpr int kPieceKeys = 4096;
EMBER_HOST_DEVICE constexpr int piece_keys(int head_dim) {
  return head_dim > 128 ? 1 << 30 : kPieceKeys;
}
inline constexpr int kPrefillRowsSm90 = 128, kPrefillRowsSm80 = 64;

AttentionCut cut_attention(const StreamRef& stream, const AttentionShape& shape);
AttentionWorkspace workspace_of(const StreamRef& stream, const AttentionShape& shape,
                                void* workspace, size_t* bytes = nullptr);

struct Splits {
  int first_page, pages, count, pages_each;
};

// The splits of a sequence of kv_len > 0 tokens whose last is the query.
EMBER_HOST_DEVICE Splits split_sequence(int kv_len, int window, int max_splits, int split_pages) {
  Splits s{};
  s.first_page = window > 0 && kv_len > window ? (kv_len - window) / kBlockTokens : 0;
  s.pages = ceil_div(kv_len, kBlockTokens) - s.first_page;
  const int wanted = ceil_div(s.pages, split_pages);
  s.count = wanted < max_splits ? wanted : max_splits;
  s.pages_each = ceil_div(s.pages, s.count);
  s.count = ceil_div(s.pages, s.pages_each);
  return s;
}

// The pieces of keys that the queries of a prefill tile see.
struct Pieces {
  int first, end;
};
EMBER_HOST_DEVICE Pieces pieces_of(int head_dim, int position, int tokens, int window) {
  const int first_key = window > 0 && position >= window ? position - window + 1 : 0;
  return {first_key / piece_keys(head_dim), ceil_div(position + tokens, piece_keys(head_dim))};
}

// Of the state of a prefill CTA on sm_90: 256 threads with head_dim / 2 sums each, and maxima and
// totals of two rows.
EMBER_HOST_DEVICE constexpr int piece_quads(int head_dim) { return 256 * (head_dim / 8 + 1); }

// What the kernels get. `T` 16-bit floats.
template <class T>
struct AttentionArgs {
  AttentionWorkspace work;
  AttentionCut cut;
  const T* qkv;
  T* out;
  const T* pool;
  const int32_t* tables;
  int64_t qkv_stride, out_stride;
  int table_stride, num_kv_heads, window;
  float scale;      // of scores, or of what tanh makes of them; with log2(e)
  float cap_scale;  // scores are first replaced by cap_score(score, cap_scale); 0: they are not
  bool turns;       // AttentionTuning
};

// The implementations, by architecture and type, in files of their own.
template <class T>
void decode_sm90(const StreamRef& stream, const AttentionShape& shape,
                 const AttentionArgs<T>& args);
template <class T>
void decode_sm80(const StreamRef& stream, const AttentionShape& shape,
                 const AttentionArgs<T>& args);
template <class T>
void prefill_sm90(const StreamRef& stream, const AttentionShape& shape,
                  const AttentionArgs<T>& args, int num_tokens);
template <class T>
void prefill_sm80(const StreamRef& stream, const AttentionShape& shape,
                  const AttentionArgs<T>& args);

}  // namespace ember::kernels
