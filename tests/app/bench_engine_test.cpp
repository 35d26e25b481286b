// SPDX-License-Identifier: Apache-2.0
#include "bench_engine.h"

#include <gtest/gtest.h>

#include "app/model_dir.h"
#include "ember/base/start_error.h"
#include "model_source.h"

namespace ember {
namespace {

TEST(BenchEngine, RunsFollowEachOther) {
  EngineSettings s;
  s.model.path = kDemoModel.string();
  s.device.kind = DeviceKind::kCpu;
  s.device.cpu_threads = 2;
  s.scheduler.max_num_seqs = 2;
  s.model.max_model_len = 64;
  s.scheduler.max_num_batched_tokens = 8;
  BenchEngine engine(
      [&] {
        const DecoderConfig config = config_of(*open_model(s.model.path), s.model);
        BenchEngine::Loaded loaded;
        loaded.ranks = open_ranks(s, config);
        loaded.layout = lay_out(s, *loaded.ranks->at(0).backend, config);
        load_decoders(s.model, *loaded.ranks, config, loaded.layout.plans, {});
        return loaded;
      },
      false);
  EXPECT_EQ(engine.layout().limits.max_model_len, 64);
  EXPECT_NE(engine.device(), "");
  Request request;
  request.prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  request.max_tokens = 3;
  request.sampling.temperature = 0;
  const BenchEngine::Run alone = engine.run({request}), two = engine.run({request, request});
  ASSERT_EQ(alone.answers.size(), 1u);
  ASSERT_EQ(two.answers.size(), 2u);
  ASSERT_EQ(alone.answers[0].events.size(), 3u);
  for (const BenchEngine::Answer& answer : two.answers) {
    ASSERT_EQ(answer.events.size(), 3u);
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(answer.events[i].token, alone.answers[0].events[i].token);
    EXPECT_GE(answer.first, two.begin);
  }
  ASSERT_EQ(alone.steps.size(), 4u) << "the prompt in two, and a step for each further token";
  EXPECT_EQ(alone.steps[0].num_tokens, 8);
  EXPECT_EQ(alone.steps[1].num_tokens, 2);
  EXPECT_EQ(alone.steps[2].num_tokens, 1);
}

TEST(BenchEngine, WhatLoadingThrowsComesThrough) {
  EXPECT_THROW(
      BenchEngine([]() -> BenchEngine::Loaded { throw StartError(ExitCode::kConfig, ""); }, false),
      StartError);
}

}  // namespace
}  // namespace ember
