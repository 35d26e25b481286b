// SPDX-License-Identifier: Apache-2.0
#include "admin/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "engine/recorder.h"
#include "engine/serving_engine.h"
#include "server/api_parts.h"

namespace ember {
namespace {

class BrokenRunner final : public StepRunner {
 public:
  int max_in_flight() const override { return 1; }
  void launch(const Step&) override { throw std::runtime_error("the device is gone"); }
  void sample(const Step&) override {}
  std::span<const SampledToken> wait() override { return {}; }
};

TEST(Status, AFailedEngineIsNotReadyFromThatMomentOn) {
  Recorder sink;
  ServingEngine engine(
      {.max_num_batched_tokens = 8, .max_num_seqs = 1, .max_num_logit_rows = 1, .max_model_len = 8},
      {.num_blocks = 2, .block_size = 4}, std::make_unique<BrokenRunner>(), sink);
  ApiParts parts;
  parts.models.add(parts.model({"m"}, engine.shared()));
  EXPECT_FALSE(is_ready(parts.status, parts.models)) << "loading";
  parts.status.state = ServerState::kReady;
  EXPECT_TRUE(is_ready(parts.status, parts.models));
  Request request;
  request.id = 1;
  request.prompt = {1};
  request.max_tokens = 1;
  engine->submit(share(request));
  while (!engine->failed()) std::this_thread::yield();
  EXPECT_FALSE(is_ready(parts.status, parts.models)) << "nobody has told the server yet";
  parts.status.state = ServerState::kFailed;
  EXPECT_STREQ(state_name(parts.status, parts.models), "failed");
}

TEST(Status, NamesTheModelOnceItIsLoaded) {
  ApiParts parts;
  parts.status.version = "1.2";
  const Json loading = status_json(parts.status, parts.models);
  EXPECT_EQ(loading["status"], "loading");
  EXPECT_EQ(loading["version"], "1.2");
  EXPECT_TRUE(loading["model"].is_null());
  EXPECT_EQ(loading["num_running"], 0);
  const std::shared_ptr<ServedModel> model = parts.model({"m", "n"});
  model->info.max_model_len = 8;
  const auto metrics = std::make_shared<EngineMetrics>(parts.metrics, "m", 0, parts.hub);
  StepReport report{.num_tokens = 3, .tokens_per_second = 12.4};
  report.scheduler.num_running = 2;
  metrics->on_step({}, report);
  model->engine_metrics = {metrics};
  parts.models.add(model);
  parts.status.state = ServerState::kReady;
  const Json ready = status_json(parts.status, parts.models);
  EXPECT_EQ(ready["status"], "ready");
  EXPECT_EQ(ready["model"], "m");
  EXPECT_EQ(ready["max_model_len"], 8);
  EXPECT_EQ(ready["num_running"], 2);
  EXPECT_EQ(ready["tokens_per_second"], 12);
  parts.status.state = ServerState::kDraining;
  EXPECT_STREQ(state_name(parts.status, parts.models), "draining");
}

}  // namespace
}  // namespace ember
