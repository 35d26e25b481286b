// SPDX-License-Identifier: Apache-2.0
// Requests for a row of logits, put to the kernel and to the CPU backend.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

#include "cpu/sample.h"
#include "kernels/sample.h"
#include "machine.h"

namespace ember::kernels {

struct SampleCase {
  std::vector<float> logits;
  SamplingParams params;
  std::vector<int32_t> prompt, output, banned;
  int64_t position = 0;
  int given_token = -1, num_logprobs = -1;
  std::vector<uint32_t> mask;  // bits of the ids that may be chosen; empty: all
  bool pending = false;        // the host does not know output.back() yet
};

inline SampledToken sample_on_cpu(SampleCase c) {
  static cpu::SampleScratch scratch;
  SamplingRow row{.params = &c.params,
                  .prompt = c.prompt,
                  .output = c.output,
                  .position = c.position,
                  .given_token = c.given_token,
                  .num_logprobs = c.num_logprobs,
                  .banned = c.banned,
                  .mask = c.mask};
  return cpu::sample_row(c.logits, row, -1, scratch);
}

// The arrays of one launch.
class SampleBatch {
 public:
  explicit SampleBatch(int vocab, int stride_padding = 0)
      : vocab_(vocab), stride_(vocab + stride_padding), mask_stride_((vocab + 31) / 32 + 1) {}

  void add(const SampleCase& c) {
    SampleRow row{.seed = c.params.seed,
                  .position = static_cast<uint64_t>(c.position),
                  .temperature = c.params.temperature,
                  .top_p = c.params.top_p,
                  .min_p = c.params.min_p,
                  .top_k = c.params.top_k,
                  .repetition_penalty = c.params.repetition_penalty,
                  .presence_penalty = c.params.presence_penalty,
                  .frequency_penalty = c.params.frequency_penalty,
                  .given_token = c.given_token,
                  .num_logprobs = c.num_logprobs};
    logits_.insert(logits_.end(), c.logits.begin(), c.logits.end());
    logits_.resize(logits_.size() + static_cast<size_t>(stride_ - vocab_),
                   NAN);  // what lies between rows is nobody's

    const auto known = c.output.end() - (c.pending ? 1 : 0);
    row.seen = num_rows();
    updates_.push_back({.row = row.seen,
                        .clear = 1,
                        .ids_begin = static_cast<int32_t>(ids_.size()),
                        .num_prompt = static_cast<int32_t>(c.prompt.size()),
                        .num_output = static_cast<int32_t>(known - c.output.begin())});
    ids_.insert(ids_.end(), c.prompt.begin(), c.prompt.end());
    ids_.insert(ids_.end(), c.output.begin(), known);
    if (c.pending) {
      row.pending = static_cast<int32_t>(pending_.size());
      pending_.push_back(c.output.back());
    }
    row.bias_begin = static_cast<int32_t>(bias_.size());
    row.bias_count = static_cast<int32_t>(c.params.logit_bias.size());
    for (const auto& [id, bias] : c.params.logit_bias) bias_.push_back({id, bias});
    row.banned_begin = static_cast<int32_t>(ids_.size());
    row.banned_count = static_cast<int32_t>(c.banned.size());
    ids_.insert(ids_.end(), c.banned.begin(), c.banned.end());
    if (!c.params.allowed_token_ids.empty() || !c.mask.empty()) {
      row.mask = static_cast<int32_t>(masks_.size()) / mask_stride_;
      masks_.insert(masks_.end(), c.mask.begin(), c.mask.end());
      masks_.resize(static_cast<size_t>((row.mask + 1) * mask_stride_));
      uint32_t* mask = masks_.data() + static_cast<ptrdiff_t>(row.mask) * mask_stride_;
      for (const int32_t id : c.params.allowed_token_ids) mask[id / 32] |= 1u << id % 32;
    }
    rows_.push_back(row);
  }

  // Arguments for the kernel; everything they point to lives as long as the batch. Tells which
  // tokens were seen before.
  SampleArgs args(const StreamRef& stream) {
    seen_.assign(rows_.size() * static_cast<size_t>(seen_stride(vocab_)) / 4 + 1,
                 Words{{77, 77, 77, 77}});  // another sequence's
    auto* const seen = reinterpret_cast<uint32_t*>(seen_.data());
    if (!updates_.empty())
      update_seen(stream, {.seen = seen,
                           .vocab = vocab_,
                           .updates = updates_.data(),
                           .count = num_rows(),
                           .ids = ids_.data()});
    workspace_.resize(sample_workspace_bytes(stream, num_rows(), vocab_) / sizeof(uint64_t) + 1);
    out_.assign(rows_.size() + 1, SampledRow{.token = kCanary,
                                             .logprob = 0,
                                             .rank = 0,
                                             .num_top = 0,
                                             .top_token = {},
                                             .top_logprob = {}});
    tokens_.assign(rows_.size() + 1, kCanary);
    previous_.assign(pending_.begin(), pending_.end());
    previous_.resize(std::max(pending_.size(), rows_.size()) + 1, kCanary);
    sequence_ = 0;
    polled_.emplace(&sequence_, out_.data(), rows_.size() * sizeof(SampledRow));
    return {.logits = logits_.data(),
            .stride = stride_,
            .rows = num_rows(),
            .vocab = vocab_,
            .params = rows_.data(),
            .lists = {seen, bias_.data(), ids_.data(), masks_.data(), mask_stride_},
            .previous = previous_.data(),
            .workspace = workspace_.data(),
            .out = out_.data(),
            .tokens = tokens_.data(),
            .sequence = &sequence_,
            .sequence_value = 77};
  }

  // What a launch with args() left.
  std::vector<SampledToken> results() const {
    EXPECT_EQ(sequence_, 77u);
    EXPECT_EQ(tokens_.back(), kCanary);
    EXPECT_EQ(previous_.back(), kCanary);
    EXPECT_EQ(out_.back().token, kCanary);
    EXPECT_EQ(workspace_[0], 0u) << "the workspace is ready for the next launch";
    std::vector<SampledToken> results;
    for (size_t i = 0; i < rows_.size(); ++i) {
      EXPECT_EQ(tokens_[i], out_[i].token);
      EXPECT_EQ(previous_[i], out_[i].token) << "the next step's";
      SampledToken t{
          .token = out_[i].token, .logprob = out_[i].logprob, .token_rank = out_[i].rank};
      for (int j = 0; j < out_[i].num_top; ++j)
        t.top.push_back({out_[i].top_token[j], out_[i].top_logprob[j]});
      results.push_back(std::move(t));
    }
    return results;
  }

  int num_rows() const { return static_cast<int>(rows_.size()); }
  const std::vector<float>& logits() const { return logits_; }

 private:
  static constexpr int32_t kCanary = -12345;
  int vocab_, stride_, mask_stride_;
  std::vector<float> logits_;
  std::vector<SampleRow> rows_;
  struct alignas(16) Words {
    uint32_t w[4];
  };
  std::vector<Words> seen_;  // aligned as the device's memory is
  std::vector<SeenUpdate> updates_;
  std::vector<TokenBias> bias_;
  std::vector<int32_t> ids_, pending_, previous_;
  std::vector<uint32_t> masks_;
  std::vector<uint64_t> workspace_;
  std::vector<SampledRow> out_;
  std::vector<int32_t> tokens_;
  uint32_t sequence_ = 0;
  std::optional<emu::HostPoll> polled_;
};

inline void expect_logprob(float got, float expected) {
  if (std::isinf(expected))
    EXPECT_EQ(got, expected);
  else
    EXPECT_NEAR(got, expected, 4e-6 + 4e-7 * std::abs(expected));
}

inline void expect_same(const SampledToken& got, const SampledToken& expected) {
  EXPECT_EQ(got.token, expected.token);
  expect_logprob(got.logprob, expected.logprob);
  EXPECT_EQ(got.token_rank, expected.token_rank);
  ASSERT_EQ(got.top.size(), expected.top.size());
  for (size_t i = 0; i < got.top.size(); ++i) {
    EXPECT_EQ(got.top[i].token, expected.top[i].token) << "place " << i;
    expect_logprob(got.top[i].logprob, expected.top[i].logprob);
  }
}

inline std::vector<float> normal_logits(std::mt19937& random, int vocab, float deviation = 3,
                                        float mean = 0) {
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> logits(static_cast<size_t>(vocab));
  for (float& l : logits) l = normal(random);
  return logits;
}

}  // namespace ember::kernels
