// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <array>

#include "kernels/attention_case.h"
#include "kernels/attention_plan.h"

namespace ember::kernels {
namespace {

class Attention : public testing::TestWithParam<std::tuple<int, DType>> {
 protected:
  const int sm_ = std::get<0>(GetParam());
  const DType dtype_ = std::get<1>(GetParam());
  const unsigned seed_ = std::random_device{}() % 1000000;

  void SetUp() override {
    RecordProperty("seed", std::to_string(seed_));
    emu::configure({.seed = seed_, .stall = 24});
  }

  AttentionCase with(AttentionCase c) const {
    c.sm = sm_;
    c.dtype = dtype_;
    return c;
  }
  void check(const AttentionCase& c) {
    SCOPED_TRACE(testing::Message() << "head_dim " << c.head_dim << ", group " << c.group
                                    << ", window " << c.window << ", seed " << seed_);
    AttentionRun run(with(c), seed_);
    run.run();
    EXPECT_EQ(run.problem(), "");
  }
};

INSTANTIATE_TEST_SUITE_P(, Attention,
                         testing::Combine(testing::Values(90, 80),
                                          testing::Values(DType::kF16, DType::kBF16)),
                         [](const auto& i) {
                           return "sm" + std::to_string(std::get<0>(i.param)) +
                                  name_of(std::get<1>(i.param));
                         });

std::vector<CaseSequence> decodes(std::initializer_list<int> lengths) {
  std::vector<CaseSequence> all;
  for (const int n : lengths) all.push_back({1, n});
  return all;
}

TEST_P(Attention, DecodesOfEveryLengthAroundPagesAndSplits) {
  check({.head_dim = 64,
         .group = 4,
         .num_kv_heads = 1,
         .sequences = decodes(
             {1, 2, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 257, 319, 320, 321})});
  check({.head_dim = 64,
         .group = 2,
         .num_kv_heads = 2,
         .sequences = decodes({511, 512, 513, 1023, 1024, 1025})});
}

TEST_P(Attention, DecodesOfEveryHeadDim) {
  for (const int head_dim : {64, 96, 128, 256})
    check({.head_dim = head_dim,
           .group = 4,
           .num_kv_heads = 2,
           .sequences = decodes({1, 65, 300, 513})});
}

// The widest heads have one stage where shared memory has no room for two.
TEST(AttentionSm86, DecodesWithLittleSharedMemory) {
  const unsigned seed = std::random_device{}() % 1000000;
  emu::configure({.seed = seed, .stall = 24});
  AttentionRun run({.sm = 86, .head_dim = 256, .sequences = decodes({1, 65, 300, 513})}, seed);
  run.run();
  EXPECT_EQ(run.problem(), "") << "seed " << seed;
  emu::configure({});
}

TEST_P(Attention, DecodesOfEveryGroup) {
  for (int group = 1; group <= 16; ++group)
    check({.head_dim = 64,
           .group = group,
           .num_kv_heads = 1 + group % 2,
           .sequences = decodes({1, 70, 330})});
}

TEST_P(Attention, DecodesOfWideGroups) {
  for (const int head_dim : {64, 96, 128, 256})
    for (const int group : {9, 16, 33, 64})
      check({.head_dim = head_dim,
             .group = group,
             .num_kv_heads = 1,
             .sequences = decodes({1, 70, 330})});
}

TEST_P(Attention, DecodesWithAWindow) {
  for (const int window : {1, 2, 63, 64, 65, 200, 1000}) {
    check({.head_dim = 64,
           .group = 3,
           .num_kv_heads = 1,
           .window = window,
           .sequences = decodes({1, 64, 65, 128, 330, 700}),
           .shared_pages = false});
  }
}

// Also where the first of them fill a block and the others begin the next.
TEST_P(Attention, DraftsSeeTheTokensOfTheStepBeforeThem) {
  for (const int window : {0, 3}) {
    const std::vector<int> drafts = {2, 3, 4, 6, 7, 8};
    const AttentionCase c =
        with({.head_dim = 64,
              .group = 4,
              .num_kv_heads = 1,
              .window = window,
              .sequences = decodes({300, 63, 64, 65, 66, 127, 128, 129, 130, 131, 64, 65}),
              .shared_pages = false,
              .drafts = drafts});
    AttentionRun run(c, seed_);
    run.run();
    EXPECT_EQ(run.problem(), "") << "seed " << seed_;
  }
}

TEST_P(Attention, PaddedDecodesAreSkipped) {
  check({.head_dim = 64,
         .group = 4,
         .num_kv_heads = 2,
         .sequences = {{1, 5}, {1, 0}, {1, 300}, {1, 0}, {1, 0}}});
  check({.head_dim = 64, .group = 4, .num_kv_heads = 1, .sequences = {{1, 0}, {1, 0}}});
}

TEST_P(Attention, DecodesWithAsManySplitsAsThereCanBe) {
  check({.head_dim = 64,
         .group = 1,
         .num_kv_heads = 1,
         .sequences = decodes({64 * 4 * 64, 64 * 4 * 40 + 1}),
         .num_sms = 50});
}

TEST_P(Attention, LongSequencesHaveNoMoreSplitsThanTheirShapeAllows) {
  check({.head_dim = 64, .group = 1, .num_kv_heads = 32, .sequences = decodes({1500})});
}

TEST_P(Attention, ChunksAtEveryEdgeOfTiles) {
  for (const int q_len : {2, 31, 32, 33, 63, 64, 65}) {
    check({.head_dim = 64,
           .group = 4,
           .num_kv_heads = 1,
           .sequences = {
               {q_len, q_len}, {q_len, q_len + 1}, {q_len, q_len + 61}, {q_len, q_len + 129}}});
  }
  check({.head_dim = 64,
         .group = 1,
         .num_kv_heads = 1,
         .sequences = {{127, 127}, {128, 128}, {129, 129}, {130, 259}}});
}

TEST_P(Attention, ChunksOfEveryHeadDim) {
  for (const int head_dim : {64, 96, 128, 256})
    check(
        {.head_dim = head_dim, .group = 4, .num_kv_heads = 2, .sequences = {{40, 40}, {35, 185}}});
}

TEST_P(Attention, ChunksOfEveryGroup) {
  for (int group = 1; group <= 16; ++group)
    check({.head_dim = 64,
           .group = group,
           .num_kv_heads = 1 + group % 2,
           .sequences = {{17, 90}, {9, 9}}});
}

TEST_P(Attention, ChunksWithAWindow) {
  for (const int window : {1, 2, 63, 64, 65, 128, 129, 500}) {
    check({.head_dim = 64,
           .group = 2,
           .num_kv_heads = 1,
           .window = window,
           .sequences = {{70, 70}, {33, 300}, {2, 129}},
           .shared_pages = false});
  }
}

TEST_P(Attention, ScoresAreCapped) {
  for (const int head_dim : {64, 96, 128, 256})
    for (const float softcap : {0.5f, 3.0f, 50.0f})
      check({.head_dim = head_dim,
             .group = 3,
             .num_kv_heads = 1,
             .window = softcap == 3 ? 70 : 0,
             .softcap = softcap,
             .sequences = {{1, 5}, {1, 330}, {40, 40}, {35, 185}},
             .shared_pages = false});
}

TEST_P(Attention, IsRightHoweverItIsTuned) {
  for (const int head_dim : {64, 256})
    for (const bool turns : {true, false})
      check({.head_dim = head_dim,
             .group = 4,
             .num_kv_heads = 1,
             .sequences = {{1, 1025}, {1, 300}, {40, 140}, {3, 3}},
             .tuning = {.split_pages = turns ? 8 : 2, .turns = turns}});
}

TEST_P(Attention, DecodesAndChunksInOneStep) {
  check({.head_dim = 128,
         .group = 4,
         .num_kv_heads = 2,
         .sequences = {{1, 300}, {1, 0}, {1, 64}, {40, 140}, {3, 3}, {1, 77}},
         .num_decodes = 3});
}

TEST_P(Attention, AHugeLogitAndEqualLogits) {
  const AttentionCase c = with({.head_dim = 64,
                                .group = 2,
                                .num_kv_heads = 1,
                                .sequences = {{1, 200}, {20, 150}},
                                .shared_pages = false});
  for (const int place : {0, 63, 64, 128}) {
    AttentionRun needle(c, seed_);
    for (int s = 0; s < 2; ++s) {
      for (int d = 0; d < 64; ++d) needle.cached(s, place, 0, 0, d) = half_bits(dtype_, 100);
      for (int t = needle.first_token(s);
           t < needle.first_token(s) + c.sequences[static_cast<size_t>(s)].q_len; ++t) {
        for (int head = 0; head < 2; ++head) {
          for (int d = 0; d < 64; ++d) needle.q_bits(t, head, d) = half_bits(dtype_, 9);
        }
      }
    }
    needle.run();
    EXPECT_EQ(needle.problem(), "") << "place " << place << ", seed " << seed_;
  }
  AttentionRun equal(c, seed_);
  for (int t = 0; t < equal.num_tokens(); ++t) {
    for (int d = 0; d < 64; ++d) equal.q_bits(t, 0, d) = equal.q_bits(t, 1, d) = 0;
  }
  equal.run();
  EXPECT_EQ(equal.problem(), "") << "seed " << seed_;
}

TEST_P(Attention, ADecodesBitsDoNotDependOnTheOthers) {
  const std::vector<int> lengths = {1, 64, 65, 257, 700};
  const AttentionCase together = with({.head_dim = 64,
                                       .group = 4,
                                       .num_kv_heads = 2,
                                       .sequences = decodes({700, 3, 65, 257, 1, 64, 129, 2000})});
  AttentionRun all(together, seed_);
  all.run();
  for (const int length : lengths) {
    AttentionCase alone = together;
    alone.sequences = decodes({length});
    AttentionRun one(alone, seed_);
    one.run();
    int s = 0;
    while (together.sequences[static_cast<size_t>(s)].kv_len != length) ++s;
    for (int head = 0; head < 8; ++head) {
      for (int d = 0; d < 64; ++d)
        ASSERT_EQ(one.out_bits(0, head, d), all.out_bits(s, head, d))
            << "length " << length << ", seed " << seed_;
    }
  }
}

// On a device with fewer multiprocessors a CTA takes more splits of a sequence at once.
TEST_P(Attention, ADecodesBitsDoNotDependOnHowManySplitsACtaTakes) {
  for (const int head_dim : {64, 256}) {
    AttentionCase c = with({.head_dim = head_dim,
                            .group = 4,
                            .num_kv_heads = 2,
                            .sequences = decodes({700, 3, 2000, 1025, 257})});
    c.num_sms = 50;
    AttentionRun alone(c, seed_);
    alone.run();
    EXPECT_EQ(alone.problem(), "") << "seed " << seed_;
    EXPECT_EQ(alone.counts().decode_items, 3 + 1 + 8 + 5 + 2) << "one for each split";
    for (const auto& [num_sms, items] : {std::pair{2, 11}, std::pair{1, 7}}) {
      c.num_sms = num_sms;
      AttentionRun run(c, seed_);
      run.run();
      EXPECT_EQ(run.counts().decode_items, items);
      for (int s = 0; s < run.num_seqs(); ++s)
        for (int head = 0; head < 8; ++head)
          for (int d = 0; d < head_dim; ++d)
            ASSERT_EQ(run.out_bits(s, head, d), alone.out_bits(s, head, d))
                << items << " items, sequence " << s << ", seed " << seed_;
    }
  }
}

// Makes the reading of rows that no query of a decode sees a crash: of the 32 rows of a system's
// page, where none of them lies in a sixteen that holds a key. For rows of 128 bytes.
void forbid_unseen_rows(AttentionRun& run, const AttentionCase& c) {
  const auto forbid = [&](int seq, int row) {
    for (int kv = 0; kv < 2; ++kv)
      for (int head = 0; head < c.num_kv_heads; ++head)
        for (int d = 0; d < c.head_dim; d += 64)
          ASSERT_EQ(mprotect(&run.cached(seq, row, kv, head, d), 32 * 128, PROT_NONE), 0);
  };
  ASSERT_EQ(sysconf(_SC_PAGESIZE), 32 * 128);
  for (int s = 0; s < run.num_seqs(); ++s) {
    const int kv_len = c.sequences[static_cast<size_t>(s)].kv_len,
              first_key = c.window > 0 ? std::max(0, kv_len - c.window) : 0;
    for (int row = first_key / kBlockTokens * kBlockTokens; row + 32 <= first_key / 16 * 16;
         row += 32)
      forbid(s, row);
    for (int row = (kv_len + 31) / 32 * 32; row % kBlockTokens != 0; row += 32) forbid(s, row);
  }
}

TEST_P(Attention, DecodesReadNoRowsBeyondWhatTheQuerySees) {
  for (const int head_dim : {64, 128, 256}) {
    for (const int window : {0, 70}) {
      const AttentionCase c = with({.head_dim = head_dim,
                                    .group = 4,
                                    .num_kv_heads = 2,
                                    .window = window,
                                    .sequences = decodes({1, 16, 17, 32, 64, 65, 96, 232, 330}),
                                    .shared_pages = false});
      AttentionRun run(c, seed_);
      forbid_unseen_rows(run, c);
      run.run();
      EXPECT_EQ(run.problem(), "") << "seed " << seed_;
    }
  }
}

// Positions [begin, end) of a prompt in chunks of so many tokens, on a device of so many
// multiprocessors, against the same computed at once.
struct Chunking {
  int chunk, num_sms;
};
void expect_same_in_chunks(const AttentionCase& like, unsigned seed, int begin, int end,
                           const std::vector<Chunking>& chunkings) {
  const auto run = [&](int from, int to, int num_sms) {
    // Content of pages is by sequence length: the same pool for every chunk, whose later tokens it
    // does not see.
    AttentionCase c = like;
    c.num_sms = num_sms;
    c.sequences = {{to - from, to}};
    c.num_decodes = 0;
    c.shared_pages = false;
    return std::make_unique<AttentionRun>(c, seed);
  };
  const int first_seen = like.window > 0 ? std::max(0, begin - like.window + 1) : 0;
  const auto whole = run(begin, end, 3);
  whole->run();
  ASSERT_EQ(whole->problem(), "") << "seed " << seed;
  for (const auto& [chunk, num_sms] : chunkings) {
    for (int from = begin; from < end; from += chunk) {
      const int to = std::min(from + chunk, end);
      const auto part = run(from, to, num_sms);
      for (int position = first_seen; position < to; ++position)
        for (int kv = 0; kv < 2; ++kv)
          for (int head = 0; head < like.num_kv_heads; ++head)
            for (int d = 0; d < like.head_dim; ++d)
              if (like.window == 0 || position > from - like.window)
                part->cached(0, position, kv, head, d) = whole->cached(0, position, kv, head, d);
      part->run();
      for (int t = from; t < to; ++t)
        for (int head = 0; head < like.group * like.num_kv_heads; ++head)
          for (int d = 0; d < like.head_dim; ++d)
            ASSERT_EQ(part->out_bits(t - from, head, d), whole->out_bits(t - begin, head, d))
                << "chunks of " << chunk << ", token " << t << ", head " << head << ", dimension "
                << d << ", " << num_sms << " multiprocessors, seed " << seed;
    }
  }
}

TEST_P(Attention, APromptsBitsDoNotDependOnItsChunks) {
  expect_same_in_chunks(with({.head_dim = 64, .group = 4, .num_kv_heads = 1, .sequences = {}}),
                        seed_, 0, 150, {{1, 3}, {31, 3}, {33, 3}, {64, 3}, {100, 3}});
}

// Nor on whether the pieces of its keys are summed by one CTA, as on a device that is full, or by
// several.
TEST_P(Attention, APromptsBitsDoNotDependOnItsChunksBeyondAPieceOfKeys) {
  expect_same_in_chunks(with({.head_dim = 64, .group = 4, .num_kv_heads = 1, .sequences = {}}),
                        seed_, kPieceKeys - 16, kPieceKeys + 40, {{28, 50}});
}

TEST(AttentionPieces, TheirSumsDoNotDependOnWhoTakesThem) {
  const unsigned seed = std::random_device{}() % 1000000;
  emu::configure({.seed = seed, .stall = 24});
  for (const int head_dim : {96, 128})
    expect_same_in_chunks({.head_dim = head_dim, .group = 16, .num_kv_heads = 1, .sequences = {}},
                          seed, kPieceKeys - 4, kPieceKeys + 8, {{6, 50}});
  expect_same_in_chunks(
      {.head_dim = 64, .group = 4, .num_kv_heads = 1, .window = 60, .sequences = {}}, seed,
      kPieceKeys - 16, kPieceKeys + 40, {{28, 50}});
  expect_same_in_chunks({.head_dim = 64, .group = 8, .num_kv_heads = 1, .sequences = {}}, seed,
                        2 * kPieceKeys, 2 * kPieceKeys + 20, {{20, 50}});
  emu::configure({});
}

TEST_P(Attention, RandomSteps) {
  std::mt19937 random(seed_);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 6; ++round) {
    AttentionCase c{.head_dim = std::array{64, 96, 128, 256}[static_cast<size_t>(pick(0, 3))],
                    .group = pick(1, 20),
                    .num_kv_heads = pick(1, 3),
                    .sequences = {}};
    c.window = pick(0, 2) == 0 ? pick(1, 400) : 0;
    c.shared_pages = c.window == 0;
    c.softcap = pick(0, 1) == 0 ? 2.0f : 0.0f;
    const int num_decodes = pick(0, 4), num_chunks = pick(num_decodes == 0 ? 1 : 0, 2);
    for (int i = 0; i < num_decodes; ++i)
      c.sequences.push_back({1, pick(0, 5) == 0 ? 0 : pick(1, 500)});
    for (int i = 0; i < num_chunks; ++i) {
      const int q_len = pick(1, 40);
      c.sequences.push_back({q_len, q_len + (pick(0, 1) == 0 ? 0 : pick(0, 260))});
    }
    c.num_decodes = num_decodes;
    check(c);
  }
}

}  // namespace
}  // namespace ember::kernels
