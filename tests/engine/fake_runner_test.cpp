// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/fake_runner.h"

#include <gtest/gtest.h>

#include "base/scripted_constraint.h"

namespace ember {
namespace {

TEST(FakeRunner, TheNextTokenDependsOnEveryTokenAndTheSeed) {
  const std::vector<int32_t> tokens = {1, 2, 3, 4};
  const int32_t next = FakeRunner::next_token(tokens, 0, 1 << 20);
  EXPECT_EQ(next, FakeRunner::next_token(tokens, 0, 1 << 20));
  EXPECT_NE(next, FakeRunner::next_token(tokens, 1, 1 << 20));
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::vector<int32_t> other = tokens;
    ++other[i];
    EXPECT_NE(next, FakeRunner::next_token(other, 0, 1 << 20)) << i;
  }
  for (int32_t vocab = 1; vocab < 50; ++vocab) {
    EXPECT_GE(FakeRunner::next_token(tokens, 0, vocab), 0);
    EXPECT_LT(FakeRunner::next_token(tokens, 0, vocab), vocab);
  }
}

TEST(FakeRunner, ThrowsInTheStepOfItsFault) {
  FakeRunner runner(100, Duration::zero(), 1, {.step = 3});
  const Step empty;
  for (int step = 1; step <= 3; ++step) {
    runner.launch(empty);
    if (step < 3)
      runner.wait();
    else
      EXPECT_THROW(runner.wait(), std::runtime_error);
  }
}

TEST(FakeRunner, GivesOneTokenPerRow) {
  Sequence seq;
  seq.request = share({.prompt = {5, 6, 7}});
  seq.tokens = {5, 6, 7};
  Step step;
  step.seqs.push_back({.seq = &seq,
                       .first_position = 0,
                       .num_tokens = 3,
                       .first_row_position = 1,
                       .num_logit_rows = 2,
                       .num_sampled = 1});
  step.num_logit_rows = 2;
  FakeRunner runner(100, Duration::zero());
  runner.launch(step);
  const auto sampled = runner.wait();
  ASSERT_EQ(sampled.size(), 2u);
  EXPECT_EQ(sampled[0].token, 7);  // the prompt's own, for its log probability
  EXPECT_EQ(sampled[1].token, FakeRunner::next_token(seq.tokens, 0, 100));
}

TEST(FakeRunner, ContinuesATokenOfTheStepBefore) {
  Sequence seq;
  seq.tokens = {5, 6, 7};
  seq.request = share({.prompt = seq.tokens});
  Step first, second;
  first.seqs.push_back({.seq = &seq,
                        .num_tokens = 3,
                        .first_row_position = 2,
                        .num_logit_rows = 1,
                        .num_sampled = 1});
  second.seqs.push_back({.seq = &seq,
                         .first_position = 3,
                         .num_tokens = 1,
                         .first_row_position = 3,
                         .num_logit_rows = 1,
                         .num_sampled = 1,
                         .pending_row = 0});
  first.num_logit_rows = second.num_logit_rows = 1;
  FakeRunner runner(100, Duration::zero(), 2);
  runner.launch(first);
  runner.launch(second);
  const int32_t token = FakeRunner::next_token(seq.tokens, 0, 100);
  EXPECT_EQ(runner.wait().front().token, token);
  EXPECT_EQ(runner.wait().front().token,
            FakeRunner::next_token(std::vector<int32_t>{5, 6, 7, token}, 0, 100));
}

TEST(FakeRunner, SamplesAStepThatWaitsWhenTheTokenBeforeIsCommitted) {
  Sequence seq;
  seq.tokens = {5, 6, 7};
  Request request;
  request.prompt = seq.tokens;
  request.constraint = scripted({{1, 2, 3}, {10, 20, 30}});
  seq.request = share(std::move(request));
  const auto step_at = [&](int position, int num_tokens) {
    Step step;
    step.seqs.push_back({.seq = &seq,
                         .first_position = position,
                         .num_tokens = num_tokens,
                         .first_row_position = position + num_tokens - 1,
                         .num_logit_rows = 1,
                         .num_sampled = 1,
                         .pending_row = position > 0 ? 0 : -1});
    step.num_logit_rows = 1;
    step.samples_after_commit = position > 0;
    return step;
  };
  FakeRunner runner(100, Duration::zero());
  const Step first = step_at(0, 3), second = step_at(3, 1);
  runner.launch(first);
  runner.launch(second);
  seq.tokens.push_back(runner.wait().front().token);
  runner.sample(second);
  EXPECT_EQ(runner.wait().front().token % 10, 0);
}

TEST(FakeRunner, AMaskDecides) {
  const std::vector<int32_t> tokens = {1, 2, 3};
  std::vector<uint32_t> mask(3);
  EXPECT_EQ(FakeRunner::next_token(tokens, 0, mask), -1);
  mask[2] = 1u << 5;
  EXPECT_EQ(FakeRunner::next_token(tokens, 0, mask), 69);
  mask[0] = 0x80000001u;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const int32_t id = FakeRunner::next_token(tokens, seed, mask);
    EXPECT_TRUE(id == 0 || id == 31 || id == 69) << id;
  }
}

}  // namespace
}  // namespace ember
