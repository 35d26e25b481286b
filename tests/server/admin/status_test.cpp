// SPDX-License-Identifier: Apache-2.0
#include "admin/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "engine/recorder.h"
#include "engine/serving_engine.h"

namespace ember {
namespace {

class BrokenRunner final : public StepRunner {
 public:
  int max_in_flight() const override { return 1; }
  void launch(const Step&) override { throw std::runtime_error("the device is gone"); }
  std::span<const SampledToken> wait() override { return {}; }
};

TEST(Status, AFailedEngineIsNotReadyFromThatMomentOn) {
  Recorder sink;
  ServingEngine engine(
      {.max_num_batched_tokens = 8, .max_num_seqs = 1, .max_num_logit_rows = 1, .max_model_len = 8},
      {.num_blocks = 2, .block_size = 4}, std::make_unique<BrokenRunner>(), sink);
  ApiContext context;
  context.model.generator = engine.shared();
  EXPECT_FALSE(is_ready(context)) << "loading";
  context.state = ServerState::kReady;
  EXPECT_TRUE(is_ready(context));
  Request request;
  request.id = 1;
  request.prompt = {1};
  request.max_tokens = 1;
  engine->submit(request);
  while (!engine->failed()) std::this_thread::yield();
  EXPECT_FALSE(is_ready(context)) << "nobody has told the server yet";
  context.state = ServerState::kFailed;
  EXPECT_STREQ(state_name(context), "failed");
}

TEST(Status, NamesTheModelOnceItIsLoaded) {
  Metrics metrics("1");
  Recorder sink;
  ApiContext context;
  context.version = "1.2";
  const Json loading = status_json(context);
  EXPECT_EQ(loading["status"], "loading");
  EXPECT_EQ(loading["version"], "1.2");
  EXPECT_TRUE(loading["model"].is_null());
  EXPECT_EQ(loading["num_running"], 0);
  context.model.info.names = {"m", "n"};
  context.model.info.max_model_len = 8;
  context.model.metrics = std::make_shared<ModelMetrics>(metrics, "m");
  const auto engine_metrics = std::make_shared<EngineMetrics>(metrics, "m", 0, sink);
  StepReport report{.num_tokens = 3, .tokens_per_second = 12.4};
  report.scheduler.num_running = 2;
  engine_metrics->on_step({}, report);
  context.model.engine_metrics = engine_metrics;
  context.state = ServerState::kReady;
  const Json ready = status_json(context);
  EXPECT_EQ(ready["status"], "ready");
  EXPECT_EQ(ready["model"], "m");
  EXPECT_EQ(ready["max_model_len"], 8);
  EXPECT_EQ(ready["num_running"], 2);
  EXPECT_EQ(ready["tokens_per_second"], 12);
  context.state = ServerState::kDraining;
  EXPECT_STREQ(state_name(context), "draining");
}

}  // namespace
}  // namespace ember
