// SPDX-License-Identifier: Apache-2.0
#include "cpu/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ember::cpu {
namespace {

SampledToken sample(std::vector<float> logits, const SamplingParams& params, SamplingRow row = {},
                    int32_t pending = -1) {
  static SampleScratch scratch;
  row.params = &params;
  return sample_row(logits, row, pending, scratch);
}

TEST(Sample, GreedyTakesTheLargestAndTheLowestOfEquals) {
  const SamplingParams greedy{.temperature = 0};
  const float inf = INFINITY;
  EXPECT_EQ(sample({1, 3, 3, 2}, greedy).token, 1);
  EXPECT_EQ(sample({5, 5, 5}, greedy).token, 0);
  EXPECT_EQ(sample({1, NAN, 3}, greedy).token, -1);
  EXPECT_EQ(sample({-inf, -inf}, greedy).token, -1);
  EXPECT_EQ(sample({1, inf, 2}, {}).token, 1);
}

TEST(Sample, LogprobsAreOfTheRawDistribution) {
  SamplingParams params{.temperature = 0};
  params.logit_bias = {{0, 100.0f}};
  const SampledToken s = sample({1, 2, 3}, params, {.num_logprobs = 2});
  const double total = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  EXPECT_EQ(s.token, 0);
  EXPECT_NEAR(s.logprob, 1 - std::log(total), 1e-6);
  EXPECT_EQ(s.token_rank, 3);
  ASSERT_EQ(s.top.size(), 2u);
  EXPECT_EQ(s.top[0].token, 2);
  EXPECT_NEAR(s.top[1].logprob, 2 - std::log(total), 1e-6);
}

TEST(Sample, PenaltiesBansAndAllowedIdsDecide) {
  SamplingParams params{.temperature = 0};
  params.presence_penalty = 2;
  const std::vector<int32_t> output = {2}, banned = {2};
  EXPECT_EQ(sample({1, 2.5f, 3}, params, {.output = output}).token, 1);
  EXPECT_EQ(sample({1, 2, 3}, {.temperature = 0}, {.banned = banned}).token, 1);
  EXPECT_EQ(sample({1, 2.5f, 3}, params, {}, 2).token, 1) << "a pending token is one of the output";
  EXPECT_EQ(sample({1, 2.5f, 3}, params, {.draft = output}).token, 1) << "and so is a draft before";
  EXPECT_EQ(sample({0.9f, 2.5f, 3}, params, {.output = output}, 1).token, 2) << "0.9, 0.5 and 1";
  EXPECT_EQ(sample({1, 2, 3}, {.temperature = 0, .allowed_token_ids = {0}}).token, 0);
}

TEST(Sample, AMaskDecides) {
  std::vector<float> logits(70, 1.0f);
  logits[33] = 5;
  logits[69] = 9;
  const SamplingParams greedy{.temperature = 0};
  std::vector<uint32_t> mask = {1u << 7, 1u << 1 | 1u << 2, 1u << 4};
  EXPECT_EQ(sample(logits, greedy, {.mask = mask}).token, 33);
  mask[1] = 1u << 2;
  EXPECT_EQ(sample(logits, greedy, {.mask = mask}).token, 7);  // equal: the lowest id
  mask = {0, 0, 0};
  EXPECT_EQ(sample(logits, greedy, {.mask = mask}).token, -1);
  mask = {~0u};
  EXPECT_EQ(sample(logits, greedy, {.mask = mask}).token,
            0);  // ids beyond the mask are not allowed
  mask = {~0u, ~0u, ~0u};
  EXPECT_EQ(sample(logits, greedy, {.mask = mask}).token, 69);
  const std::vector<int32_t> banned = {69};
  EXPECT_EQ(sample(logits, greedy, {.banned = banned, .mask = mask}).token, 33);
  // Neither the draw nor the log probabilities know of what is excluded, but for the choice itself.
  mask = {1u << 7};
  const SampledToken s = sample(logits, {.seed = 3}, {.num_logprobs = 1, .mask = mask});
  EXPECT_EQ(s.token, 7);
  EXPECT_EQ(s.top[0].token, 69);
}

TEST(Sample, AMaskThatAllowsEverythingChangesNoDraw) {
  std::vector<float> logits(100);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i));
  const std::vector<uint32_t> mask(4, ~0u);
  for (int64_t position = 0; position < 200; ++position)
    EXPECT_EQ(
        sample(logits, {.top_p = 0.9f, .seed = 1}, {.position = position}).token,
        sample(logits, {.top_p = 0.9f, .seed = 1}, {.position = position, .mask = mask}).token);
}

// Draws at many positions and compares with the distribution that should be left.
void expect_distribution(const std::vector<float>& logits, SamplingParams params,
                         const std::map<int32_t, double>& expected) {
  constexpr int kDraws = 200000;
  std::map<int32_t, int> counts;
  params.seed = 42;
  for (int i = 0; i < kDraws; ++i) ++counts[sample(logits, params, {.position = i}).token];
  double chi = 0;
  for (const auto& [token, p] : expected)
    chi += std::pow(counts[token] - p * kDraws, 2) / (p * kDraws);
  for (const auto& [token, count] : counts) EXPECT_TRUE(expected.contains(token)) << token;
  EXPECT_LT(chi, 25) << "seed 42";  // at most four degrees of freedom: p below 1e-4
}

TEST(Sample, DrawsFollowTheDistributionThatIsLeft) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.25f), std::log(0.15f),
                                     std::log(0.1f)};
  expect_distribution(logits, {}, {{0, 0.5}, {1, 0.25}, {2, 0.15}, {3, 0.1}});
  expect_distribution(logits, {.top_k = 2}, {{0, 2 / 3.0}, {1, 1 / 3.0}});
  expect_distribution(logits, {.top_p = 0.7f}, {{0, 2 / 3.0}, {1, 1 / 3.0}});
  expect_distribution(logits, {.min_p = 0.29f}, {{0, 0.5 / 0.9}, {1, 0.25 / 0.9}, {2, 0.15 / 0.9}});
  expect_distribution(logits, {.top_p = 1e-9f}, {{0, 1.0}});
}

}  // namespace
}  // namespace ember::cpu
