// SPDX-License-Identifier: Apache-2.0
// Attention of a ragged batch over the paged KV cache: split-KV decode and chunked causal prefill.
//
// A token's result depends on its sequence alone: a decode's KV is cut into splits by the
// sequence's length, tiles and pieces of a prompt's keys begin at multiples of their size, and
// partial results are added in order, whoever computed them. Within prefill it does not depend on
// how the prompt is chunked either.
#pragma once

#include <cstddef>
#include <optional>

#include "kernels/common.h"

namespace ember::kernels {

// What only measurements can choose. The bits of a decode depend on `split_pages`.
struct AttentionTuning {
  int split_pages = 4;  // a decode has a split for each so many pages, up to the most that it may
  // Whether the two warpgroups of prefill (sm_90) take turns at the tensor cores; none: where
  // head_dim is at most 128, as in FlashAttention-3.
  std::optional<bool> turns = {};
};

struct AttentionShape {
  DType dtype = DType::kF16;
  int num_heads = 0, num_kv_heads = 0;
  int head_dim = 0;   // 64, 96, 128, 256
  float scale = 0;    // multiplies q.k
  float softcap = 0;  // then a score s is softcap * tanh(s / softcap); 0: it stays
  int window = 0;     // a query at position p sees keys at positions > p - window; 0: all up to p
  int max_seqs = 0, max_tokens = 0,
      max_model_len = 0;  // of one batch; the workspace is made for them
  AttentionTuning tuning = {};
};

// The batch, int32 arrays in device memory. num_decodes sequences with one token come first, then
// chunks, also those of one token. Each sequence's last position is its last token; K and V of all
// its positions are in the cache, those of this step's tokens written since plan_attention.
//
// Decodes read other pages while the kernels between are still running. So whatever else fills
// pages (a copy from another block or from the host) has ended before plan_attention begins: it is
// on the same stream, or waited for there. And no decode shares a block that this step writes to,
// but for drafts: decodes that follow the one that they go on from, each a token longer than the
// one before, with the same blocks.
struct AttentionBatch {
  const int32_t* q_starts = nullptr;  // [num_seqs + 1] rows of its tokens
  const int32_t* kv_lens = nullptr;   // [num_seqs], 0: padding, skipped
  const int32_t* block_tables =
      nullptr;  // [num_seqs][table_stride]; entries of blocks that are not needed are not read
  int table_stride = 0;
  int num_seqs = 0, num_decodes = 0, num_tokens = 0;
  int max_q_len = 0, max_kv_len = 0;  // upper bounds
};

// Throws std::runtime_error naming what exists.
void check_attention(const StreamRef& stream, const AttentionShape& shape);

// Of 256-byte aligned device memory, which need not be initialised. Shared by all layers of one
// shape.
size_t attention_workspace_bytes(const StreamRef& stream, const AttentionShape& shape);

// Once per step, before its other kernels: makes the work lists. A barrier of the stream, also with
// programmatic dependent launch: nothing after it begins before everything up to it has ended. May
// be captured. Throws std::runtime_error when the batch is larger than the shape's max_seqs,
// max_tokens or max_model_len.
void plan_attention(const StreamRef& stream, const AttentionShape& shape, const AttentionBatch& b,
                    void* workspace);

// out[t, num_heads * head_dim] from qkv rows [num_heads | num_kv_heads | num_kv_heads] * head_dim,
// whose q is rotated. kv_pool is this layer's. Both strides in elements, multiples of 8. May be
// captured; the grid depends on the device and on whether there are decodes or chunks.
void attention(const StreamRef& stream, const AttentionShape& shape, const AttentionBatch& b,
               void* out, int64_t out_stride, const void* qkv, int64_t qkv_stride,
               const void* kv_pool, void* workspace);

}  // namespace ember::kernels
