// SPDX-License-Identifier: Apache-2.0
#include "fleet/replica_model.h"

#include <gtest/gtest.h>

#include <map>

#include "ember/base/random.h"

namespace ember {
namespace {

constexpr ReplicaSpec kSpec = {.step_seconds = 0.008,
                               .decode_token_seconds = 0.0001,
                               .prefill_token_seconds = 0.00005,
                               .step_tokens = 1024,
                               .max_num_seqs = 4,
                               .kv_tokens = 10000};

std::vector<uint64_t> names(uint64_t text, int tokens) {
  std::vector<uint64_t> found;
  for (int end = kPrefixGrain; end <= tokens; end += kPrefixGrain)
    found.push_back(text * 1000 + static_cast<uint64_t>(end));
  return found;
}

Job job(uint64_t id, int prompt, int output, uint64_t text) {
  return {.id = id,
          .prompt_tokens = prompt,
          .output_tokens = output,
          .names = names(text, prompt + output)};
}

StepWork next(ReplicaModel& model) {
  const auto step = model.begin_step();
  return step ? step->work : StepWork{};
}

TEST(ReplicaModel, CutsPromptsAndDecodesBesideThem) {
  ReplicaModel model(kSpec, 0.5);
  model.submit(job(1, 1500, 3, 1));
  model.submit(job(2, 100, 1, 2));
  const auto first = model.begin_step();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->work.prefill_tokens, 1024);
  EXPECT_NEAR(first->seconds, 2 * (0.008 + 1024 * 0.00005), 1e-12);
  EXPECT_TRUE(model.end_step().first_tokens.empty());
  EXPECT_EQ(next(model).prefill_tokens, 476 + 100);
  const auto& second = model.end_step();
  ASSERT_EQ(second.first_tokens.size(), 2u);
  EXPECT_EQ(second.done, std::vector<uint64_t>{2});
  EXPECT_EQ(next(model).decode_tokens, 1);
  EXPECT_TRUE(model.end_step().done.empty());
  EXPECT_EQ(next(model).decode_tokens, 1);
  EXPECT_EQ(model.end_step().done, std::vector<uint64_t>{1});
  EXPECT_FALSE(model.begin_step());
}

TEST(ReplicaModel, FindsWhatIsCachedOnceItIsComputed) {
  ReplicaModel model(kSpec, 1);
  const auto cached = [&](uint64_t id, int prompt, uint64_t text) {
    model.submit(job(id, prompt, 1, text));
    next(model);
    return model.end_step().first_tokens.front().num_cached;
  };
  EXPECT_EQ(cached(1, 700, 1), 0);
  EXPECT_EQ(cached(2, 700, 1), 640);
  EXPECT_EQ(cached(3, 640, 1), 639) << "the last token is computed";
  EXPECT_EQ(cached(4, 700, 2), 0);
  EXPECT_TRUE(model.fail().empty());
  EXPECT_EQ(cached(5, 700, 1), 0);
}

TEST(ReplicaModel, KeepsToItsPlacesAndItsMemory) {
  ReplicaModel places(kSpec, 1), memory(kSpec, 1);
  for (uint64_t id = 1; id <= 6; ++id) places.submit(job(id, 10, 5, id));
  EXPECT_EQ(next(places).prefill_tokens, 40);
  for (uint64_t id = 1; id <= 3; ++id) memory.submit(job(id, 4000, 1000, id));
  for (int steps = 0; steps < 8; ++steps) {
    next(memory);
    memory.end_step();
  }
  const StepWork full = next(memory);
  EXPECT_EQ(full.decode_tokens, 2) << "two texts of 5,000 tokens fill it";
  EXPECT_EQ(full.prefill_tokens, 0);
}

TEST(ReplicaModel, WhatRunningRequestsShareIsInMemoryOnce) {
  ReplicaModel model(kSpec, 1);
  model.submit(job(1, 6000, 1000, 1));
  for (int steps = 0; steps < 6; ++steps) {
    next(model);
    model.end_step();
  }
  model.submit(job(2, 6000, 1000, 1));
  EXPECT_EQ(next(model).prefill_tokens, 6000 - 5888);
  EXPECT_EQ(model.end_step().first_tokens.front().num_cached, 5888);
  model.submit(job(3, 2000, 1000, 2));
  EXPECT_EQ(next(model).prefill_tokens, 0) << "beside 5,888 tokens and two rests of 1,112";
}

TEST(ReplicaModel, TellsWhatItHadGivenWhenItFails) {
  ReplicaModel model(kSpec, 1);
  model.submit(job(1, 100, 50, 1));
  for (int i = 0; i < 3; ++i) {
    next(model);
    model.end_step();
  }
  model.submit(job(2, 5000, 50, 2));
  next(model);
  std::map<uint64_t, int> lost;
  for (const ReplicaModel::Lost& l : model.fail()) lost[l.id] = l.num_output;
  EXPECT_EQ(lost, (std::map<uint64_t, int>{{1, 3}, {2, 0}}));
  EXPECT_FALSE(model.begin_step());
}

TEST(ReplicaModel, EveryRequestEndsOnceWithAllItsTokens) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    ReplicaModel model(kSpec, 1);
    std::map<uint64_t, int> left, first;  // steps until it ends, and whether it has begun
    int64_t computed = 0, to_compute = 0, decoded = 0, to_decode = 0;
    for (uint64_t id = 1; id <= 60 || !left.empty(); ++id) {
      if (id <= 60) {
        const Job j = job(id, 1 + static_cast<int>(random.below(3000)),
                          1 + static_cast<int>(random.below(20)), random.below(5));
        left[id] = j.output_tokens;
        to_compute += j.prompt_tokens;
        to_decode += j.output_tokens - 1;
        model.submit(j);
      }
      const StepWork work = next(model);
      computed += work.prefill_tokens;
      decoded += work.decode_tokens;
      ASSERT_LE(work.prefill_tokens + work.decode_tokens, kSpec.step_tokens);
      if (work.prefill_tokens + work.decode_tokens == 0) continue;
      const auto ended = model.end_step();
      for (auto& [request, tokens] : left)
        if (first.contains(request)) --tokens;
      for (const auto& token : ended.first_tokens) {
        ASSERT_TRUE(first.emplace(token.id, 1).second);
        --left[token.id];
        to_compute -= token.num_cached;
      }
      for (const uint64_t request : ended.done) {
        ASSERT_EQ(left.at(request), 0);
        left.erase(request);
      }
    }
    EXPECT_EQ(computed, to_compute);
    EXPECT_EQ(decoded, to_decode);
  }
}

}  // namespace
}  // namespace ember
