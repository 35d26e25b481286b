// SPDX-License-Identifier: Apache-2.0
// A decode step padded to a larger size gives its sequences the same bits, and padding leaves no
// trace.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "kernels/attention.h"
#include "kernels/common/layout.h"
#include "kernels/emulator_stream.h"
#include "kernels/half_rows.h"

namespace ember::kernels {
namespace {

constexpr uint32_t kSeed = 5;
constexpr RopeSpec kSpec{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 64};
constexpr int kWidth = 4 * 64, kVocab = 50, kTable = 4, kBlocks = 9, kMaxTokens = 16;

struct Sequence {
  int kv_len;  // after the step
  std::vector<int32_t> blocks;
  int32_t token;  // negative: the token chosen for row -1 - token of the step before
};

// From ids to what attention leaves, without matrices: rows of the embedding serve as queries, keys
// and values.
class DecodeStep {
 public:
  DecodeStep(int sm, DType dtype, const std::vector<Sequence>& sequences)
      : stream_(emulator_stream(sm)),
        dtype_(dtype),
        sequences_(sequences),
        table_(dtype, kVocab, kWidth) {
    std::mt19937 random(kSeed);
    table_.fill_normal(random);
    for (int p = 0; p < 256; ++p)
      for (int i = 0; i < 64; ++i)
        cos_sin_.push_back(i < 32 ? std::cos(0.1f * static_cast<float>(p * i))
                                  : std::sin(0.1f * static_cast<float>(p * (i - 32))));
    pool_.assign(static_cast<size_t>(kBlocks * 2 * kBlockTokens * 64), 0);
    for (const Sequence& s : sequences) prefill(s, random);
  }

  // The step with as many tokens as `padded`, which are not fewer than there are sequences.
  void run(int padded) {
    const int real = static_cast<int>(sequences_.size());
    std::vector<int32_t> ids(static_cast<size_t>(padded)), positions(ids),
        slots(static_cast<size_t>(padded), -1), kv_lens(ids), q_starts = {0};
    std::vector<int32_t> tables(static_cast<size_t>(padded * kTable), -1000000),
        rows(static_cast<size_t>(padded), -1);
    for (int s = 0; s < padded; ++s) {
      const auto at = static_cast<size_t>(s);
      q_starts.push_back(s + 1);
      if (s >= real) continue;
      const Sequence& sequence = sequences_[at];
      ids[at] = sequence.token;
      positions[at] = sequence.kv_len - 1;
      slots[at] = slot(sequence, sequence.kv_len - 1);
      kv_lens[at] = sequence.kv_len;
      rows[at] = s;
      std::copy(sequence.blocks.begin(), sequence.blocks.end(), tables.begin() + s * kTable);
    }
    const std::vector<int32_t> previous = {7, 31, -1};
    const std::vector<float> w(kWidth, 1.0f);
    HalfRows qkv(dtype_, kMaxTokens, kWidth), attended(dtype_, kMaxTokens, 128);
    embed(stream_, dtype_, qkv.view(padded), table_.data(), table_.stride(), kVocab, ids.data(),
          previous.data());
    rms_norm(stream_, dtype_, qkv.view(padded), qkv.view(padded), w.data(), 1e-5f);
    rope_and_store(stream_, dtype_, qkv.view(padded), cos_sin_.data(), positions.data(),
                   slots.data(), pool_.data(), kSpec);
    const AttentionShape shape{.dtype = dtype_,
                               .num_heads = 2,
                               .num_kv_heads = 1,
                               .head_dim = 64,
                               .scale = 0.125f,
                               .max_seqs = kMaxTokens,
                               .max_tokens = kMaxTokens,
                               .max_model_len = 256};
    const AttentionBatch batch{
        q_starts.data(), kv_lens.data(), tables.data(), kTable, padded, padded, padded, 1, 256};
    std::vector<uint64_t> workspace(attention_workspace_bytes(stream_, shape) / 8 + 32);
    void* const aligned =
        reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(workspace.data()) + 255) / 256 * 256);
    plan_attention(stream_, shape, batch, aligned);
    attention(stream_, shape, batch, attended.data(), attended.stride(), qkv.data(), qkv.stride(),
              pool_.data(), aligned);
    out_ = std::make_unique<HalfRows>(dtype_, kMaxTokens, 128);
    gather_rows(stream_, out_->view(padded), attended.view(padded), rows.data());
    attended.expect_canaries(real);
    out_->expect_canaries(real);
    qkv.expect_canaries(padded);
  }

  HalfRows& out() { return *out_; }
  const std::vector<uint16_t>& pool() const { return pool_; }

 private:
  static int32_t slot(const Sequence& s, int position) {
    return s.blocks[static_cast<size_t>(position / kBlockTokens)] * kBlockTokens +
           position % kBlockTokens;
  }

  // What earlier steps have left in the cache.
  void prefill(const Sequence& s, std::mt19937& random) {
    if (s.kv_len == 1) return;
    HalfRows qkv(dtype_, s.kv_len - 1, kWidth);
    qkv.fill_normal(random);
    std::vector<int32_t> positions, slots;
    for (int p = 0; p < s.kv_len - 1; ++p) {
      positions.push_back(p);
      slots.push_back(slot(s, p));
    }
    rope_and_store(stream_, dtype_, qkv.view(), cos_sin_.data(), positions.data(), slots.data(),
                   pool_.data(), kSpec);
  }

  const StreamRef stream_;
  DType dtype_;
  std::vector<Sequence> sequences_;
  HalfRows table_;
  std::vector<float> cos_sin_;
  std::vector<uint16_t> pool_;
  std::unique_ptr<HalfRows> out_;
};

class PaddedStep : public testing::TestWithParam<std::tuple<int, DType>> {};

INSTANTIATE_TEST_SUITE_P(, PaddedStep,
                         testing::Combine(testing::Values(90, 80),
                                          testing::Values(DType::kF16, DType::kBF16)),
                         [](const auto& i) {
                           return "sm_" + std::to_string(std::get<0>(i.param)) + "_" +
                                  name_of(std::get<1>(i.param));
                         });

TEST_P(PaddedStep, TheSequencesGetTheSameBitsAndPaddingLeavesNoTrace) {
  const auto [sm, dtype] = GetParam();
  const std::vector<Sequence> sequences = {
      {1, {4}, 3}, {64, {0}, -1}, {65, {8, 2}, -2}, {130, {1, 5, 3}, 49}};
  DecodeStep exact(sm, dtype, sequences);
  exact.run(4);
  for (const int padded : {5, 8, 16}) {
    DecodeStep step(sm, dtype, sequences);
    step.run(padded);
    for (int s = 0; s < 4; ++s)
      for (int c = 0; c < 128; ++c)
        ASSERT_EQ(step.out().bits(s, c), exact.out().bits(s, c))
            << "sequence " << s << " element " << c << " of " << padded << ", seed " << kSeed;
    EXPECT_EQ(step.pool(), exact.pool()) << padded;
  }
}

// A sequence whose last token was none (it ended in an error one step ago) runs on harmlessly
// beside the others.
TEST_P(PaddedStep, ATokenThatIsNoneDisturbsNobody) {
  const auto [sm, dtype] = GetParam();
  DecodeStep alone(sm, dtype, {{70, {1, 2}, 9}});
  alone.run(1);
  DecodeStep beside(sm, dtype, {{70, {1, 2}, 9}, {5, {3}, -3}});
  beside.run(8);
  for (int c = 0; c < 128; ++c) {
    ASSERT_EQ(beside.out().bits(0, c), alone.out().bits(0, c));
    ASSERT_TRUE(std::isfinite(beside.out().get(1, c)));
  }
}

}  // namespace
}  // namespace ember::kernels
