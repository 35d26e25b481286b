// SPDX-License-Identifier: Apache-2.0
// One attention step on the emulated machine over a hostile cache: permuted and shared pages, NaN
// in free pages and in unwritten keys, table entries that must not be read, and a reference in
// double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/attention_plan.h"
#include "kernels/bench/reference.h"
#include "kernels/common/layout.h"
#include "kernels/emulator_stream.h"
#include "kernels/guarded.h"
#include "machine.h"

namespace ember::kernels {

struct CaseSequence {
  int q_len, kv_len;  // kv_len 0: padding
};

struct AttentionCase {
  int sm = 90;
  DType dtype = DType::kF16;
  int head_dim = 128, group = 4, num_kv_heads = 2, window = 0;
  float softcap = 0;
  std::vector<CaseSequence> sequences;  // those with one token first
  int num_decodes = -1;                 // -1: all sequences of one token and padding at the front
  bool shared_pages = true;             // sequences of equal content share their full pages
  std::vector<int> drafts = {};         // which sequences share the blocks of the one before them
  int num_sms = 3;
  AttentionTuning tuning = {};
};

class AttentionRun {
 public:
  static constexpr int kTablePadding = 3;

  AttentionRun(const AttentionCase& c, unsigned seed) : c_(c), seed_(seed), random_(seed) {
    for (const auto& s : c.sequences) {
      pages_needed_ = std::max(pages_needed_, (s.kv_len + kBlockTokens - 1) / kBlockTokens);
      max_kv_len_ = std::max(max_kv_len_, s.kv_len);
    }
    if (c_.num_decodes < 0) {
      c_.num_decodes = 0;
      while (c_.num_decodes < num_seqs() && c.sequences[index(c_.num_decodes)].q_len <= 1)
        ++c_.num_decodes;
    }
    q_starts_.push_back(0);
    for (const auto& s : c.sequences)
      q_starts_.push_back(q_starts_.back() + s.q_len), kv_lens_.push_back(s.kv_len);
    make_pages();
    make_rows();
  }

  AttentionShape shape() const {
    return {.dtype = c_.dtype,
            .num_heads = c_.group * c_.num_kv_heads,
            .num_kv_heads = c_.num_kv_heads,
            .head_dim = c_.head_dim,
            .scale = scale_,
            .softcap = c_.softcap,
            .window = c_.window,
            .max_seqs = num_seqs(),
            .max_tokens = std::max(1, num_tokens()),
            .max_model_len = std::max(1, max_kv_len_),
            .tuning = c_.tuning};
  }

  void set_scale(float scale) { scale_ = scale; }

  void run() {
    const StreamRef stream = emulator_stream(c_.sm, c_.num_sms);
    Guarded<uint8_t> workspace(attention_workspace_bytes(stream, shape()), 0xcd);
    const AttentionBatch b{q_starts_.data(), kv_lens_.data(), tables_->data(),
                           table_stride(),   num_seqs(),      c_.num_decodes,
                           num_tokens(),     num_tokens(),    max_kv_len_};
    const emu::Chain chain;
    plan_attention(stream, shape(), b, workspace.data());
    counts_ = *workspace_of(stream, shape(), workspace.data()).counts;
    emu::predecessor_writes(qkv_->data(), qkv_->size() * 2);
    emu::predecessor_writes(out_->data(), out_->size() * 2);
    for (int s = 0; s < num_seqs(); ++s) {  // the pages of this step's tokens
      const auto [q_len, kv_len] = c_.sequences[index(s)];
      for (int page = (kv_len - q_len) / kBlockTokens; page * kBlockTokens < kv_len; ++page)
        emu::predecessor_writes(
            pool_->data() + static_cast<size_t>(table(s, page)) * block_elements(),
            block_elements() * 2);
    }
    // Twice over one plan: counters are left as they were found.
    for (int layer = 0; layer < 2; ++layer) {
      std::fill_n(out_->data(), out_->size(), kCanary);
      attention(stream, shape(), b, out_->data(), out_stride(), qkv_->data(), qkv_stride(),
                pool_->data(), workspace.data());
    }
  }

  const AttentionCounts& counts() const { return counts_; }  // of the last run's plan

  uint16_t& q_bits(int token, int head, int d) {
    return (*qkv_)[index(token) * index(qkv_stride()) + index(head * c_.head_dim + d)];
  }
  uint16_t out_bits(int token, int head, int d) const {
    return (*out_)[index(token) * index(out_stride()) + index(head * c_.head_dim + d)];
  }
  uint16_t& cached(int seq, int position, int kv, int head, int d) {
    const int64_t slab =
        kv_slab(table(seq, position / kBlockTokens), kv, head, c_.num_kv_heads, c_.head_dim);
    return (*pool_)[static_cast<size_t>(slab +
                                        kv_slab_offset(c_.head_dim, position % kBlockTokens, d))];
  }
  int first_token(int seq) const { return q_starts_[index(seq)]; }
  int num_seqs() const { return static_cast<int>(c_.sequences.size()); }
  int num_tokens() const { return q_starts_.back(); }
  int num_heads() const { return c_.group * c_.num_kv_heads; }

  // Empty, or what is wrong first.
  std::string problem() {
    read_ = {};
    const double allowed = c_.dtype == DType::kF16 ? 4e-3 : 3e-2;
    for (int s = 0; s < num_seqs(); ++s) {
      const auto [q_len, kv_len] = c_.sequences[index(s)];
      for (int head = 0; head < num_heads(); ++head) {
        for (int i = 0; i < q_len; ++i) {
          const int token = first_token(s) + i;
          const std::vector<double> exact =
              kv_len > 0 ? reference(s, token, kv_len - q_len + i, head) : std::vector<double>();
          for (int d = 0; d < c_.head_dim; ++d) {
            if (kv_len == 0) {
              if (out_bits(token, head, d) != kCanary) return "a padded row was stored";
              continue;
            }
            const double got = half_value(c_.dtype, out_bits(token, head, d));
            if (!(std::abs(got - exact[index(d)]) <= allowed)) {
              return "sequence " + std::to_string(s) + " (" + std::to_string(q_len) + " of " +
                     std::to_string(kv_len) + ") token " + std::to_string(i) + " head " +
                     std::to_string(head) + " dimension " + std::to_string(d) + ": " +
                     std::to_string(got) + " instead of " + std::to_string(exact[index(d)]);
            }
          }
        }
      }
    }
    for (int t = 0; t <= num_tokens(); ++t) {
      for (int i = t < num_tokens() ? num_heads() * c_.head_dim : 0; i < out_stride(); ++i) {
        if ((*out_)[index(t) * index(out_stride()) + index(i)] != kCanary)
          return "stored outside the rows";
      }
    }
    return "";
  }

 private:
  static size_t index(int i) { return static_cast<size_t>(i); }
  int table_stride() const { return pages_needed_ + kTablePadding; }
  int qkv_stride() const { return (c_.group + 2) * c_.num_kv_heads * c_.head_dim + 8; }
  int out_stride() const { return num_heads() * c_.head_dim + 8; }
  size_t block_elements() const { return index(2 * c_.num_kv_heads * kBlockTokens * c_.head_dim); }
  bool is_draft(int seq) const { return std::ranges::find(c_.drafts, seq) != c_.drafts.end(); }
  int32_t& table(int seq, int page) { return (*tables_)[index(seq * table_stride() + page)]; }

  // Pages of a sequence: with sharing, full pages before this step's tokens come from one common
  // prefix, the rest is the sequence's own. Content depends on (sequence length, page) alone, so
  // that a sequence is the same in every company.
  void make_pages() {
    struct Use {
      int page, written, owner;
    };
    std::vector<Use> uses;
    std::vector<int> block_of_shared(index(pages_needed_ + 1), -1);
    tables_ = std::make_unique<Guarded<int32_t>>(index(std::max(1, num_seqs()) * table_stride()),
                                                 -1000000);
    std::vector<std::vector<int>> use_of(index(num_seqs()));
    for (int s = 0, last; s < num_seqs(); s = last + 1) {
      for (last = s; is_draft(last + 1);) ++last;
      const int kv_len = c_.sequences[index(last)].kv_len,
                computed = c_.sequences[index(s)].kv_len - c_.sequences[index(s)].q_len;
      for (int page = 0; page * kBlockTokens < kv_len; ++page) {
        const bool full = (page + 1) * kBlockTokens <= computed;
        int& shared = block_of_shared[index(page)];
        if (c_.shared_pages && full && shared >= 0) {
          use_of[index(s)].push_back(shared);
          continue;
        }
        if (c_.shared_pages && full) shared = static_cast<int>(uses.size());
        use_of[index(s)].push_back(static_cast<int>(uses.size()));
        uses.push_back({page, std::min(kBlockTokens, kv_len - page * kBlockTokens),
                        c_.shared_pages && full ? 0 : kv_len});
      }
      for (int t = last; t >= s; --t) {
        use_of[index(t)] = use_of[index(s)];
        use_of[index(t)].resize(index(ceil_div(c_.sequences[index(t)].kv_len, kBlockTokens)));
      }
    }
    const int blocks = static_cast<int>(uses.size()) + 5;
    std::vector<int> order(index(blocks));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random_);
    pool_ = std::make_unique<Guarded<uint16_t>>(index(blocks) * block_elements(), kNan16);
    for (size_t u = 0; u < uses.size(); ++u) {
      std::mt19937 content(seed_ + static_cast<unsigned>(uses[u].page) * 7919u +
                           static_cast<unsigned>(uses[u].owner) * 104729u);
      std::normal_distribution<float> normal(0, 1);
      for (int kv = 0; kv < 2; ++kv) {
        for (int head = 0; head < c_.num_kv_heads; ++head) {
          uint16_t* slab =
              pool_->data() + kv_slab(order[u], kv, head, c_.num_kv_heads, c_.head_dim);
          for (int row = 0; row < kBlockTokens; ++row) {
            for (int d = 0; d < c_.head_dim; ++d) {
              uint16_t bits = half_bits(c_.dtype, normal(content));
              if (row >= uses[u].written) bits = kv == 0 ? kNan16 : half_bits(c_.dtype, 900.0f);
              slab[kv_slab_offset(c_.head_dim, row, d)] = bits;
            }
          }
        }
      }
    }
    for (int s = 0; s < num_seqs(); ++s) {
      for (size_t page = 0; page < use_of[index(s)].size(); ++page)
        table(s, static_cast<int>(page)) = order[index(use_of[index(s)][page])];
      if (c_.window > 0) {  // blocks that the window has passed may have been given away
        const int first_seen = std::max(
            0, c_.sequences[index(s)].kv_len - c_.sequences[index(s)].q_len - c_.window + 1);
        for (int page = 0; page < first_seen / kBlockTokens; ++page) table(s, page) = -1000000;
      }
    }
  }

  void make_rows() {
    scale_ = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
    qkv_ = std::make_unique<Guarded<uint16_t>>(index(num_tokens()) * index(qkv_stride()), kNan16);
    out_ =
        std::make_unique<Guarded<uint16_t>>(index(num_tokens() + 1) * index(out_stride()), kCanary);
    for (int s = 0; s < num_seqs(); ++s) {
      const auto [q_len, kv_len] = c_.sequences[index(s)];
      for (int i = 0; i < q_len; ++i) {
        std::mt19937 content(seed_ * 31u + static_cast<unsigned>(kv_len - q_len + i) * 17u +
                             3u);  // by position: the same in every chunk
        std::normal_distribution<float> normal(0, 1);
        for (int head = 0; head < num_heads(); ++head) {
          for (int d = 0; d < c_.head_dim; ++d)
            q_bits(first_token(s) + i, head, d) = half_bits(c_.dtype, normal(content));
        }
      }
    }
  }

  // What the cache holds of a sequence's kv head, [position][head_dim] for K and for V.
  struct Cached {
    int seq = -1, kv_head = -1;
    std::vector<double> values[2];
  };
  void read_cache(int seq, int kv_head) {
    if (read_.seq == seq && read_.kv_head == kv_head) return;
    read_ = {seq, kv_head, {}};
    const auto [q_len, kv_len] = c_.sequences[index(seq)];
    const int first = c_.window > 0 ? std::max(0, kv_len - q_len - c_.window + 1) : 0;
    for (int kv = 0; kv < 2; ++kv) {
      read_.values[kv].resize(index(kv_len * c_.head_dim));
      for (int key = first; key < kv_len; ++key)
        for (int d = 0; d < c_.head_dim; ++d)
          read_.values[kv][index(key * c_.head_dim + d)] =
              half_value(c_.dtype, cached(seq, key, kv, kv_head, d));
    }
  }

  std::vector<double> reference(int seq, int token, int position, int head) {
    read_cache(seq, head / c_.group);
    const int first = c_.window > 0 ? std::max(0, position - c_.window + 1) : 0;
    const auto kept = [&](int kv) {
      return [&, kv](int key, int d) { return read_.values[kv][index(key * c_.head_dim + d)]; };
    };
    return attention_row(
        c_.head_dim, first, position, double{scale_}, double{c_.softcap},
        [&](int d) { return double{half_value(c_.dtype, q_bits(token, head, d))}; }, kept(0),
        kept(1));
  }

  AttentionCase c_;
  unsigned seed_;
  std::mt19937 random_;
  float scale_ = 0;
  int pages_needed_ = 0, max_kv_len_ = 0;
  std::vector<int32_t> q_starts_, kv_lens_;
  AttentionCounts counts_{};
  std::unique_ptr<Guarded<int32_t>> tables_;
  std::unique_ptr<Guarded<uint16_t>> pool_, qkv_, out_;
  Cached read_;
};

}  // namespace ember::kernels
