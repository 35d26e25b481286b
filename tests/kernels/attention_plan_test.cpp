// SPDX-License-Identifier: Apache-2.0
// How a step is cut up: splits, works and their order, and what is refused.
#include "kernels/attention_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <string>
#include <vector>

#include "kernels/attention_case.h"

namespace ember::kernels {
namespace {

TEST(AttentionPlan, SplitsCoverWhatTheQuerySees) {
  for (int kv_len = 1; kv_len < 3000; kv_len += kv_len < 700 ? 1 : 37) {
    for (const int window : {0, 1, 64, 65, 500}) {
      for (const int max_splits : {4, 16, 64}) {
        const int split_pages = max_splits == 16 ? 8 : 4;
        const Splits s = split_sequence(kv_len, window, max_splits, split_pages);
        const int first_key = window > 0 ? std::max(0, kv_len - window) : 0;
        ASSERT_EQ(s.first_page, first_key / kBlockTokens);
        ASSERT_EQ(s.first_page + s.pages, (kv_len + kBlockTokens - 1) / kBlockTokens);
        ASSERT_GE(s.count, 1);
        ASSERT_LE(s.count, max_splits);
        ASSERT_LE(s.count, ceil_div(s.pages, split_pages));
        ASSERT_GE(s.count * s.pages_each, s.pages);
        ASSERT_LT((s.count - 1) * s.pages_each, s.pages) << "an empty split";
      }
    }
  }
}

// The plan of one step of chunks, with 32 heads over 8.
std::vector<PrefillTile> prefill_works(int sm, int num_sms, int window,
                                       const std::vector<CaseSequence>& sequences) {
  const StreamRef stream = emulator_stream(sm, num_sms);
  std::vector<int32_t> q_starts = {0}, kv_lens;
  for (const auto& s : sequences)
    q_starts.push_back(q_starts.back() + s.q_len), kv_lens.push_back(s.kv_len);
  const int seqs = static_cast<int>(sequences.size()), tokens = q_starts.back(),
            longest = *std::max_element(kv_lens.begin(), kv_lens.end());
  const AttentionShape shape{.num_heads = 32,
                             .num_kv_heads = 8,
                             .head_dim = 128,
                             .scale = 1,
                             .window = window,
                             .max_seqs = seqs,
                             .max_tokens = tokens,
                             .max_model_len = longest};
  Guarded<uint8_t> workspace(attention_workspace_bytes(stream, shape), 0xcd);
  plan_attention(stream, shape,
                 {q_starts.data(), kv_lens.data(), nullptr, 0, seqs, 0, tokens, tokens, longest},
                 workspace.data());
  const AttentionWorkspace work = workspace_of(stream, shape, workspace.data());
  return {work.tiles, work.tiles + work.counts->prefill_tiles};
}

// Works in the list's order, each taken by the CTA that is free first: how much of the time of
// `num_sms` of them is used, when a tile of 128 keys takes 1 and a work 1 besides.
double share_of_time_used(const std::vector<CaseSequence>& sequences, int num_sms) {
  std::priority_queue<int, std::vector<int>, std::greater<>> free_at;
  for (int i = 0; i < num_sms; ++i) free_at.push(0);
  int total = 0, last = 0;
  for (const PrefillTile& tile : prefill_works(90, num_sms, 0, sequences)) {
    const int cost = ceil_div(tile.position + tile.tokens, 128) + 1;
    for (int kv_head = 0; kv_head < 8; ++kv_head) {
      const int end = free_at.top() + cost;
      total += cost;
      last = std::max(last, end);
      free_at.pop();
      free_at.push(end);
    }
  }
  return total / (1.0 * num_sms * last);
}

TEST(AttentionPlan, WorksOfPrefillAreInAnOrderThatKeepsTheDeviceBusy) {
  for (const int length : {1024, 2048, 4096, 8192})
    EXPECT_GE(share_of_time_used({{length, length}}, 132), 0.95) << length;
  EXPECT_GE(share_of_time_used(std::vector<CaseSequence>(8, {1024, 1024}), 132), 0.95);
}

// (position, piece) of each work.
using PieceWorks = std::vector<std::pair<int, int>>;
PieceWorks piece_works(int sm, int num_sms, int window, const CaseSequence& sequence) {
  PieceWorks works;
  for (const PrefillTile& tile : prefill_works(sm, num_sms, window, {sequence}))
    works.emplace_back(tile.position, tile.split);
  return works;
}

TEST(AttentionPlan, FewQueriesWithManyKeysAreWorkForManyCtas) {
  const PieceWorks cut = {{11992, 0}, {11992, 1}, {11992, 2}, {11960, 0}, {11960, 1}, {11960, 2}},
                   last = {{11992, 1}, {11992, 2}, {11960, 1}, {11960, 2}},
                   whole = {{11992, -1}, {11960, -1}},
                   small = {{11992, -1}, {11976, -1}, {11960, -1}};
  EXPECT_EQ(piece_works(90, 132, 0, {40, 12000}), cut);
  EXPECT_EQ(piece_works(90, 132, 5000, {40, 12000}), last);
  EXPECT_EQ(piece_works(90, 132, 3000, {40, 12000}), whole) << "one piece";
  EXPECT_EQ(piece_works(90, 16, 0, {40, 12000}), whole) << "a small device is full without";
  EXPECT_EQ(piece_works(80, 132, 0, {40, 12000}), small) << "no such kernel";
}

TEST(AttentionPlan, OfPiecesThereAreAsManyAsTheWorkspaceHasRoomFor) {
  const auto works = prefill_works(90, 64, 0, {{30, 131072}, {30, 131072}, {1, 131072}, {2, 8200}});
  std::vector<int> of(4);
  for (const PrefillTile& tile : works) {
    ++of[static_cast<size_t>(tile.seq)];
    EXPECT_LT(tile.split < 0 ? 0 : tile.slot + tile.split, 64);
  }
  EXPECT_EQ(of, (std::vector<int>{32, 32, 1, 1}));
}

TEST(AttentionPlan, ABatchLargerThanTheWorkspaceIsRefused) {
  const AttentionShape shape{.num_heads = 1,
                             .num_kv_heads = 1,
                             .head_dim = 64,
                             .scale = 1,
                             .max_seqs = 4,
                             .max_tokens = 8,
                             .max_model_len = 100};
  const StreamRef stream = emulator_stream(90);
  std::vector<int32_t> zeros(8);
  std::vector<uint8_t> workspace(attention_workspace_bytes(stream, shape) + 256);
  void* aligned =
      workspace.data() + (256 - reinterpret_cast<uintptr_t>(workspace.data()) % 256) % 256;
  const AttentionBatch fits{zeros.data(), zeros.data(), zeros.data(), 1, 4, 4, 8, 1, 100};
  plan_attention(stream, shape, fits, aligned);
  for (int i = 0; i < 3; ++i) {
    AttentionBatch b = fits;
    ++(i == 0 ? b.num_seqs : i == 1 ? b.num_tokens : b.max_kv_len);
    EXPECT_THROW(plan_attention(stream, shape, b, aligned), std::runtime_error) << i;
  }
}

TEST(AttentionPlan, WhatDoesNotExistIsNamed) {
  AttentionShape shape{.num_heads = 32,
                       .num_kv_heads = 8,
                       .head_dim = 128,
                       .scale = 1,
                       .max_seqs = 1,
                       .max_tokens = 1,
                       .max_model_len = 1};
  const auto why = [](int sm, const AttentionShape& s) -> std::string {
    try {
      check_attention(emulator_stream(sm), s);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(why(90, shape), "");
  EXPECT_NE(why(75, shape).find("8.0 or later"), std::string::npos);
  AttentionShape other = shape;
  other.head_dim = 80;
  EXPECT_NE(why(90, other).find("64, 96, 128 and 256"), std::string::npos);
  other = shape;
  other.num_kv_heads = 5;
  EXPECT_NE(why(80, other).find("32 heads over 5 kv heads"), std::string::npos);
  other = shape;
  other.dtype = DType::kF32;
  EXPECT_NE(why(80, other).find("float16 and bfloat16"), std::string::npos);
}

}  // namespace
}  // namespace ember::kernels
