// SPDX-License-Identifier: Apache-2.0
#include "kernels/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/emulator/machine.h"
#include "kernels/emulator_stream.h"
#include "kernels/sample_case.h"

namespace ember::kernels {
namespace {

constexpr uint32_t kSeed = 3;
const float kInf = INFINITY;

// The device's architecture: clusters of CTAs on 90, one CTA per row on 80.
class Sample : public testing::TestWithParam<int> {
 protected:
  const StreamRef stream_ = emulator_stream(GetParam());
  std::mt19937 random_{kSeed};

  void SetUp() override { RecordProperty("seed", static_cast<int>(kSeed)); }

  std::vector<SampledToken> run(int vocab, const std::vector<SampleCase>& cases,
                                int stride_padding = 0) {
    SampleBatch batch(vocab, stride_padding);
    for (const SampleCase& c : cases) batch.add(c);
    const std::vector<float> before = batch.logits();
    sample(stream_, batch.args(stream_));
    EXPECT_EQ(std::memcmp(before.data(), batch.logits().data(), before.size() * sizeof(float)), 0)
        << "logits were changed";
    return batch.results();
  }

  void expect_as_on_cpu(int vocab, const std::vector<SampleCase>& cases, int stride_padding = 0) {
    const std::vector<SampledToken> got = run(vocab, cases, stride_padding);
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "vocab " << vocab << " row " << i << " seed " << kSeed);
      expect_same(got[i], sample_on_cpu(cases[i]));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(, Sample, testing::Values(90, 80),
                         [](const auto& i) { return "sm_" + std::to_string(i.param); });

TEST_P(Sample, GreedyTakesTheLargestAndTheLowestOfEquals) {
  const SamplingParams greedy{.temperature = 0};
  expect_as_on_cpu(4, {{{1, 3, 3, 2}, greedy},
                       {{5, 5, 5, 5}, greedy},
                       {{-0.0f, 0.0f, -0.0f, -1}, greedy},
                       {{-3, -2, -kInf, -2}, greedy},
                       {{0.0f, -0.0f, -1, -1}, greedy}});
}

TEST_P(Sample, NanAndNothingGiveNoTokenAndInfinityIsCertain) {
  std::vector<SampleCase> cases;
  for (const float temperature : {0.0f, 1.0f})
    for (const std::vector<float>& logits : {std::vector<float>{1, NAN, 3},
                                             {NAN, NAN, NAN},
                                             {-kInf, -kInf, -kInf},
                                             {1, kInf, 2},
                                             {kInf, 0, kInf},
                                             {-kInf, -kInf, -7},
                                             {3e38f, -3e38f, 0},
                                             {1e-40f, -1e-40f, 0}})
      for (const int num_logprobs : {-1, 0, 3})
        cases.push_back({.logits = logits,
                         .params = {.temperature = temperature},
                         .num_logprobs = num_logprobs});
  expect_as_on_cpu(3, cases);
  for (SampleCase& c : cases) c.given_token = 1;
  expect_as_on_cpu(3, cases);
}

TEST_P(Sample, OnlyNothingIsLeftOfAMaskOrOfBannedTokens) {
  SampleCase masked{
      .logits = {-kInf, 1, 2}, .params = {.allowed_token_ids = {0}}, .num_logprobs = 2};
  SampleCase banned{.logits = {5, 1, 2}, .params = {}, .banned = {0, 1, 2}};
  SampleCase hidden{.logits = {5, NAN, 2},
                    .params = {.allowed_token_ids = {0}}};  // a NaN counts even where it is masked
  expect_as_on_cpu(3, {masked, banned, hidden});
  EXPECT_EQ(run(3, {masked, banned, hidden})[0].token, -1);
}

TEST_P(Sample, TinyVocabulariesAndUnalignedRows) {
  for (const int vocab : {1, 2, 3, 31, 33, 64, 65, 500, 1001})
    for (const int padding : {0, 1}) {
      std::vector<SampleCase> cases;
      for (int i = 0; i < 4; ++i)
        cases.push_back({.logits = normal_logits(random_, vocab),
                         .params = {.seed = random_()},
                         .position = i,
                         .num_logprobs = 5});
      cases[1].params.top_k = 3;
      cases[2].params.top_p = 0.8f;
      cases[3].params.min_p = 0.1f;
      expect_as_on_cpu(vocab, cases, padding);
    }
}

TEST_P(Sample, RealVocabularies) {
  for (const int vocab : {32000, 128256, 151936, 50257}) {
    std::vector<SampleCase> cases;
    const auto add = [&](SamplingParams params, int num_logprobs = -1) {
      params.seed = random_();
      cases.push_back({.logits = normal_logits(random_, vocab),
                       .params = params,
                       .position = static_cast<int64_t>(random_()),
                       .num_logprobs = num_logprobs});
    };
    add({.temperature = 0});
    add({.temperature = 1}, 20);
    add({.temperature = 0.7f, .top_k = 50, .top_p = 0.9f});
    add({.temperature = 1.3f, .top_p = 0.95f, .min_p = 0.02f}, 0);
    expect_as_on_cpu(vocab, cases);
  }
}

// So many tokens that a row's slices do not fit into shared memory.
TEST_P(Sample, ARowBeyondSharedMemory) {
  constexpr int kVocab = 400003;
  expect_as_on_cpu(kVocab, {{.logits = normal_logits(random_, kVocab),
                             .params = {.temperature = 0.9f, .top_p = 0.8f, .presence_penalty = 3},
                             .output = {1, 399999},
                             .num_logprobs = 3},
                            {.logits = normal_logits(random_, kVocab), .params = {.seed = 8}}});
}

// Every filter at its ends, on logits with ties.
TEST_P(Sample, FiltersAtTheirEnds) {
  constexpr int kVocab = 3001;
  std::vector<std::vector<float>> rows(4, normal_logits(random_, kVocab, 2));
  for (float& l : rows[1]) l = std::round(l);  // a few values, many ties
  for (float& l : rows[2]) l = 1.5f;           // all equal
  for (size_t i = 0; i < rows[3].size(); ++i)  // mostly masked
    if (i % 100 != 7) rows[3][i] = -kInf;
  std::vector<SampleCase> cases;
  const auto add = [&](SamplingParams params) {
    for (const std::vector<float>& logits : rows) {
      params.seed = random_();
      cases.push_back({.logits = logits, .params = params, .position = 5});
    }
  };
  for (const int k : {1, 2, 300, 3000, 3001, 100000}) add({.top_k = k});
  for (const float p : {1e-9f, 0.5f, 0.99999f, 1.0f}) add({.top_p = p});
  for (const float p : {1e-30f, 0.3f, 1.0f}) add({.min_p = p});
  add({.temperature = 0.01f, .top_p = 0.9f});
  add({.temperature = 100, .top_k = 1000, .top_p = 0.5f, .min_p = 0.9f});
  add({.temperature = 2e-5f, .min_p = 0.5f});
  expect_as_on_cpu(kVocab, cases);
}

TEST_P(Sample, HugeLogits) {
  constexpr int kVocab = 700;
  std::vector<SampleCase> cases;
  for (const float scale : {1e4f, 1e20f, 3e38f})
    for (const SamplingParams& params :
         {SamplingParams{}, {.top_k = 5}, {.top_p = 0.9f}, {.min_p = 0.1f}}) {
      std::vector<float> logits = normal_logits(random_, kVocab, 1);
      for (float& l : logits) l = std::max(-1.0f, std::min(1.0f, l)) * scale;
      cases.push_back({.logits = logits, .params = params, .num_logprobs = 3});
    }
  expect_as_on_cpu(kVocab, cases);
}

TEST_P(Sample, AdjustmentsInTheirOrder) {
  constexpr int kVocab = 900;
  std::vector<SampleCase> cases;
  for (int i = 0; i < 24; ++i) {
    SampleCase c{.logits = normal_logits(random_, kVocab, 2),
                 .position = i,
                 .num_logprobs = i % 3 == 0 ? 4 : -1};
    c.params.seed = random_();
    c.params.temperature = i % 4 == 0 ? 0.0f : 0.8f;
    for (int j = 0; j < 40; ++j) {
      c.prompt.push_back(static_cast<int32_t>(random_() % 60));
      if (j < i) c.output.push_back(static_cast<int32_t>(random_() % 50));
    }
    if (i % 2 == 1) c.params.repetition_penalty = 1.3f;
    if (i % 3 == 1) c.params.presence_penalty = 1.1f;
    if (i % 5 == 1) c.params.frequency_penalty = 0.37f;
    if (i % 4 == 2) c.params.logit_bias = {{3, 5.0f}, {17, -100.0f}, {899, 3.25f}};
    if (i % 6 == 3)
      for (int id = i; id < kVocab; id += 3) c.params.allowed_token_ids.push_back(id);
    if (i % 7 == 2) c.banned = {0, 3, 33, 33, 899};
    c.pending = i % 2 == 1;
    cases.push_back(std::move(c));
  }
  expect_as_on_cpu(kVocab, cases);
}

// Masks as grammars make them: one id, the last id, half of them, all but a few; with and without
// filters.
TEST_P(Sample, Masks) {
  constexpr int kVocab = 1001;
  std::vector<SampleCase> cases;
  for (int kind = 0; kind < 6; ++kind)
    for (const SamplingParams& params :
         {SamplingParams{.temperature = 0}, {.temperature = 1.2f}, {.top_k = 40, .top_p = 0.9f}}) {
      SampleCase c{.logits = normal_logits(random_, kVocab),
                   .params = params,
                   .position = kind,
                   .num_logprobs = 2,
                   .mask = std::vector<uint32_t>((kVocab + 31) / 32)};
      c.params.seed = random_();
      for (uint32_t& word : c.mask)
        word = kind == 2   ? random_()
               : kind == 3 ? ~(1u << random_() % 32)
               : kind == 4 ? 0xffff0000u
                           : 0;
      if (kind == 0) c.mask[5] = 1u << 31;
      if (kind == 1) c.mask[31] = 1u << 8;   // id 1000, the last there is
      if (kind == 5) c.mask[31] = ~0u << 9;  // ids that are none
      cases.push_back(std::move(c));
    }
  expect_as_on_cpu(kVocab, cases);
  EXPECT_EQ(run(kVocab, cases)[0].token, 191);
  EXPECT_EQ(run(kVocab, cases)[15].token, -1);
}

TEST_P(Sample, APendingTokenCountsWhetherItWasSeenOrNot) {
  SampleCase c{.logits = {4, 3.9f, 3.8f, 0},
               .params = {.temperature = 0, .presence_penalty = 1},
               .output = {0},
               .pending = true};
  EXPECT_EQ(run(4, {c})[0].token, 1);  // never seen by the host
  c.output = {1, 0};
  EXPECT_EQ(run(4, {c})[0].token, 2);
  c.prompt = {0};  // known from the prompt, where presence does not count
  EXPECT_EQ(run(4, {c})[0].token, 2);
  c.params.presence_penalty = 0;
  c.params.frequency_penalty = 0.06f;
  c.output = {0, 0};  // once known, once pending: 4 - 0.12
  EXPECT_EQ(run(4, {c})[0].token, 1);
  c.output = {0};
  EXPECT_EQ(run(4, {c})[0].token, 0);
}

TEST_P(Sample, GivenTokensAndTheMostLikely) {
  constexpr int kVocab = 2500;
  std::vector<SampleCase> cases;
  for (const int given : {0, 1, 700, 2499})
    for (const int n : {-1, 0, 1, 20}) {
      std::vector<float> logits = normal_logits(random_, kVocab);
      if (n == 20)
        for (float& l : logits) l = std::round(l);  // ties in the list and in the rank
      cases.push_back({.logits = logits,
                       .params = {.temperature = 0, .allowed_token_ids = {5}},
                       .given_token = given,
                       .num_logprobs = n});
    }
  std::vector<float> few(kVocab, -kInf);  // fewer finite logits than are asked for
  few[8] = 1, few[9] = 2;
  cases.push_back(
      {.logits = few, .params = {.temperature = 0}, .given_token = 100, .num_logprobs = 20});
  expect_as_on_cpu(kVocab, cases);
}

TEST_P(Sample, ARowIsTheSameInEveryCompany) {
  constexpr int kVocab = 1200;
  const SampleCase wanted{.logits = normal_logits(random_, kVocab),
                          .params = {.top_k = 700, .top_p = 0.9f, .seed = 9},
                          .position = 4,
                          .num_logprobs = 7};
  const SampledToken alone = run(kVocab, {wanted})[0];
  for (const size_t at : {size_t{0}, size_t{2}, size_t{5}}) {
    std::vector<SampleCase> cases;
    for (int i = 0; i < 6; ++i)
      cases.push_back({.logits = normal_logits(random_, kVocab), .params = {.seed = random_()}});
    cases[at] = wanted;
    const SampledToken among = run(kVocab, cases)[at];
    EXPECT_EQ(among.token, alone.token);
    EXPECT_EQ(among.logprob, alone.logprob);
    EXPECT_EQ(among.token_rank, alone.token_rank);
    for (size_t i = 0; i < alone.top.size(); ++i)
      EXPECT_EQ(among.top[i].logprob, alone.top[i].logprob);
  }
}

// Whatever the order in which warps and CTAs come.
TEST_P(Sample, UnderRandomStalls) {
  constexpr int kVocab = 600;
  std::vector<SampleCase> cases;
  for (int i = 0; i < 3; ++i)
    cases.push_back({.logits = normal_logits(random_, kVocab),
                     .params = {.top_k = 400, .top_p = 0.9f, .min_p = 1e-4f, .presence_penalty = 1},
                     .output = {5, 6},
                     .position = i,
                     .num_logprobs = 6,
                     .pending = true});
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "machine seed " << seed);
    emu::configure({.seed = seed, .stall = 3});
    expect_as_on_cpu(kVocab, cases);
  }
}

TEST_P(Sample, NoRowsOnlyTheSequenceWord) {
  SampleBatch batch(100);
  sample(stream_, batch.args(stream_));
  EXPECT_TRUE(batch.results().empty());
}

TEST_P(Sample, OneWorkspaceServesManyLaunches) {
  SampleBatch batch(300);
  for (int i = 0; i < 3; ++i)
    batch.add({.logits = normal_logits(random_, 300), .params = {.seed = 1}, .position = i});
  SampleArgs args = batch.args(stream_);
  for (uint32_t step = 70; step <= 77; ++step) {
    args.sequence_value = step;
    sample(stream_, args);
    EXPECT_EQ(*args.sequence, step);
  }
  batch.results();
}

}  // namespace
}  // namespace ember::kernels
