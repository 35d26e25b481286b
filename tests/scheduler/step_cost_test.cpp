// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/step_cost.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace ember {
namespace {

// A device: 20 ms for a step, 4 for each decode, 3 for each token of a prompt.
double device(const StepWork& w) {
  return 0.020 + 0.004 * w.decode_tokens + 0.003 * w.prefill_tokens;
}

StepCost after_steps_of_all_kinds() {
  StepCost cost;
  std::mt19937 random(1);
  const auto below = [&](uint32_t n) { return static_cast<int>(random() % n); };
  for (int i = 0; i < 400; ++i) {
    StepWork work{.decode_tokens = below(17)};
    if (i % 3 == 0) work.prefill_tokens = 1 + below(200);
    cost.learn(work, device(work));
  }
  return cost;
}

TEST(StepCost, LearnsWhatAStepAndItsTokensCost) {
  const StepCost cost = after_steps_of_all_kinds();
  for (const StepWork& work :
       {StepWork{.decode_tokens = 1}, StepWork{.decode_tokens = 16},
        StepWork{.decode_tokens = 8, .prefill_tokens = 20}, StepWork{.prefill_tokens = 150}})
    EXPECT_NEAR(cost.seconds(work), device(work), 0.1 * device(work))
        << work.decode_tokens << " and " << work.prefill_tokens;
}

TEST(StepCost, SaysHowManyPromptTokensFitIntoATime) {
  const StepCost cost = after_steps_of_all_kinds();
  // 100 ms, of which a step with 5 decodes takes 40.
  EXPECT_NEAR(cost.prefill_tokens_within(0.1, 5), 20, 4);
  // 20 decodes take 100 ms: the prompts get as much again.
  EXPECT_NEAR(cost.prefill_tokens_within(0.1, 20), 100 / 3.0, 6);
  EXPECT_EQ(StepCost().prefill_tokens_within(0.1, 5), std::numeric_limits<int>::max());
}

TEST(StepCost, OneTokenAlwaysFits) {
  StepCost slow;
  for (int i = 0; i < 100; ++i) {
    slow.learn({.decode_tokens = 1, .prefill_tokens = 1}, 10);
    slow.learn({.decode_tokens = 1}, 0.001);
  }
  EXPECT_EQ(slow.prefill_tokens_within(0.001, 1), 1);
}

// The step after the first has decodes and prompts for the first time.
TEST(StepCost, OneStepOfOneKindBoundsTheNextOfAnother) {
  StepCost prompts, answers;
  prompts.learn({.prefill_tokens = 400}, 0.8);
  EXPECT_LE(prompts.prefill_tokens_within(0.040, 3), 20);
  EXPECT_GE(prompts.prefill_tokens_within(0.040, 3), 4);
  answers.learn({.decode_tokens = 4}, 0.012);
  EXPECT_LE(answers.prefill_tokens_within(0.040, 4), 40);
  EXPECT_GE(answers.prefill_tokens_within(0.040, 4), 4);
}

TEST(StepCost, TellsReadingFromMultiplying) {
  StepCost reads, multiplies;
  for (int i = 0; i < 200; ++i) {
    const StepWork work{.decode_tokens = 1 + i % 8};
    reads.learn(work, 0.050 + 0.001 * work.decode_tokens);
    multiplies.learn(work, 0.001 + 0.050 * work.decode_tokens);
  }
  EXPECT_LT(reads.marginal_share(4), 0.2);
  EXPECT_GT(multiplies.marginal_share(4), 0.9);
  EXPECT_EQ(StepCost().marginal_share(4), 1);
}

TEST(StepCost, OneStallIsNoSlowDevice) {
  StepCost cost = after_steps_of_all_kinds();
  const StepWork work{.decode_tokens = 8};
  const double before = cost.seconds(work);
  cost.learn(work, 100 * before);
  EXPECT_LT(cost.seconds(work), 1.3 * before);
}

TEST(StepCost, WhatTellsNothingChangesNothing) {
  StepCost cost;
  cost.learn({}, 1);
  cost.learn({.decode_tokens = 1}, 0);
  EXPECT_EQ(cost.seconds({.decode_tokens = 1}), 0);
}

}  // namespace
}  // namespace ember
