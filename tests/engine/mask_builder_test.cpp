// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/mask_builder.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "base/scripted_constraint.h"

namespace ember {
namespace {

constexpr int32_t kVocab = 70;
using Ids = std::vector<int32_t>;

// A step in which every sequence samples once.
struct Batch {
  std::vector<std::unique_ptr<Sequence>> sequences;
  Step step;
  std::vector<SamplingRow> rows;

  Sequence& add(std::shared_ptr<const ConstraintSource> constraint, const Ids& output = {},
                int num_logit_rows = 1) {
    Sequence& seq = *sequences.emplace_back(std::make_unique<Sequence>());
    seq.request = share({.prompt = {1, 2}, .constraint = std::move(constraint)});
    seq.tokens = {1, 2};
    seq.tokens.insert(seq.tokens.end(), output.begin(), output.end());
    step.seqs.push_back({.seq = &seq, .num_logit_rows = num_logit_rows, .num_sampled = 1});
    step.num_logit_rows += num_logit_rows;
    rows.resize(static_cast<size_t>(step.num_logit_rows));
    return seq;
  }
};

Ids ids_of(std::span<const uint32_t> mask) {
  Ids ids;
  for (size_t id = 0; id < mask.size() * 32; ++id)
    if ((mask[id / 32] >> (id % 32) & 1) != 0) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

TEST(MaskBuilder, MasksTheRowsThatConstrainedSequencesSampleFrom) {
  MaskBuilder builder(kVocab, 8);
  Batch batch;
  batch.add(nullptr);
  batch.add(scripted({{3, 69}, {4}}), {},
            3);  // two rows of the prompt, then the one to sample from
  batch.add(scripted({{3, 69}, {4}}), {69});
  builder.begin(batch.step, batch.rows).finish();
  for (const size_t row : {0u, 1u, 2u}) EXPECT_TRUE(batch.rows[row].mask.empty()) << row;
  EXPECT_EQ(ids_of(batch.rows[3].mask), (Ids{3, 69}));
  EXPECT_EQ(ids_of(batch.rows[4].mask), (Ids{4}));
}

TEST(MaskBuilder, WritesIntoTheMemoryThatItIsGivenAndSkipsWhoHasEnded) {
  MaskBuilder builder(kVocab, 8);
  Batch batch;
  batch.add(scripted({{3}}));
  batch.add(nullptr);
  batch.add(scripted({{4}})).state = SequenceState::kFinished;
  batch.add(scripted({{5}}));
  std::vector<uint32_t> memory(12, 77);
  builder.begin(batch.step, batch.rows, memory).finish();
  EXPECT_EQ(batch.rows[0].mask.data(), memory.data());
  EXPECT_EQ(ids_of(batch.rows[0].mask), (Ids{3}));
  EXPECT_TRUE(batch.rows[2].mask.empty());
  EXPECT_EQ(batch.rows[3].mask.data(), memory.data() + 3) << "one behind the other";
  EXPECT_EQ(ids_of(batch.rows[3].mask), (Ids{5}));
  EXPECT_EQ(memory[6], 77u);
}

TEST(MaskBuilder, HoldsStopIdsBackUnlessNothingElseIsAllowed) {
  MaskBuilder builder(kVocab, 8);
  Batch batch;
  const Ids stops = {5, 60, 1000};
  batch.add(scripted({{3, 5, 60}}));
  batch.add(scripted({{5}}));
  for (SamplingRow& row : batch.rows) row.banned = stops;
  builder.begin(batch.step, batch.rows).finish();
  EXPECT_EQ(ids_of(batch.rows[0].mask), (Ids{3}));
  EXPECT_EQ(ids_of(batch.rows[1].mask), (Ids{5}));
  EXPECT_TRUE(batch.rows[1].banned.empty());
}

class Thrower final : public TokenConstraint {
 public:
  State state() const override { return State::kOpen; }

 private:
  void accept(int32_t) override {}
  void fill_mask(std::span<uint32_t> words) override {
    words[0] = 9;
    throw std::bad_alloc();
  }
};

TEST(MaskBuilder, WhatThrowsCannotContinueAndTheOthersCan) {
  MaskBuilder builder(kVocab, 8);
  Batch batch;
  batch.add(std::make_shared<CopyingSource<Thrower>>());
  batch.add(scripted({{3}}));
  builder.begin(batch.step, batch.rows).finish();
  ASSERT_EQ(batch.rows[0].mask.size(), 3u);
  EXPECT_TRUE(ids_of(batch.rows[0].mask).empty());
  EXPECT_EQ(ids_of(batch.rows[1].mask), (Ids{3}));
}

TEST(MaskBuilder, WaitsForTheMasksEvenIfTheDeviceFails) {
  MaskBuilder builder(kVocab, 8);
  Batch batch;
  for (int i = 0; i < 64; ++i) batch.add(scripted({{i}}));
  const auto launch = [&] {
    const MaskBuilder::Round masks = builder.begin(batch.step, batch.rows);
    throw std::runtime_error("gone");
  };
  EXPECT_THROW(launch(), std::runtime_error);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(ids_of(batch.rows[static_cast<size_t>(i)].mask), (Ids{i}));
}

TEST(MaskBuilder, ManyStepsInARow) {
  MaskBuilder builder(kVocab, 8);
  std::vector<Ids> lists;
  for (int i = 0; i < 200; ++i) lists.push_back({i % kVocab});
  Batch batch;
  for (int i = 0; i < 16; ++i) batch.add(scripted(lists));
  for (int step = 0; step < 200; ++step) {
    builder.begin(batch.step, batch.rows).finish();
    for (size_t i = 0; i < 16; ++i) {
      ASSERT_EQ(ids_of(batch.rows[i].mask), (Ids{step % kVocab})) << step << " " << i;
      batch.sequences[i]->tokens.push_back(step % kVocab);
    }
  }
}

}  // namespace
}  // namespace ember
