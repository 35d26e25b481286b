// SPDX-License-Identifier: Apache-2.0
#include "engine_factory.h"

#include "app/model_dir.h"
#include "ember/base/mutex.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

// Waits for one answer.
class OneAnswer final : public OutputSink {
 public:
  void on_step(std::vector<TokenOutput> events, const StepReport&) override {
    MutexLock lock(mu_);
    for (const TokenOutput& event : events) {
      num_tokens_ += event.token >= 0;
      finish_ = event.finish;
    }
    cv_.notify_all();
  }
  FinishReason wait() {
    MutexLock lock(mu_);
    while (finish_ == FinishReason::kNone) cv_.wait(mu_);
    return finish_;
  }
  int num_tokens() {
    MutexLock lock(mu_);
    return num_tokens_;
  }

 private:
  Mutex mu_;
  CondVar cv_;
  FinishReason finish_ GUARDED_BY(mu_) = FinishReason::kNone;
  int num_tokens_ GUARDED_BY(mu_) = 0;
};

EngineSettings demo_settings() {
  EngineSettings settings;
  settings.model.path = kDemoModel.string();
  settings.device.kind = DeviceKind::kCpu;
  settings.device.kv_cache_bytes = 16u << 20;
  settings.scheduler.max_num_seqs = 4;
  return settings;
}

TEST(EngineFactory, MakesAnEngineThatAnswers) {
  const EngineSettings settings = demo_settings();
  OneAnswer sink;
  size_t done = 0, total = 1;
  EngineThread thread([&](const LoadProgress&) {
    return make_engine(settings, read_model_files(*open_model(settings.model.path), settings.model),
                       sink, [&](size_t d, size_t t) {
                         done = d;
                         total = t;
                       });
  });
  EXPECT_EQ(thread.engine()->max_model_len(), 2048);
  EXPECT_EQ(done, total) << "progress was told of the last byte";
  Request request;
  request.id = 1;
  request.prompt = {1, 2, 3};
  request.max_tokens = 5;
  thread.engine()->submit(share(std::move(request)));
  EXPECT_EQ(sink.wait(), FinishReason::kLength);
  EXPECT_EQ(sink.num_tokens(), 5);
}

TEST(EngineFactory, WhatProgressThrowsEndsTheLoading) {
  const EngineSettings settings = demo_settings();
  OneAnswer sink;
  struct Stopped {};
  EXPECT_THROW(
      make_engine(settings, read_model_files(*open_model(settings.model.path), settings.model),
                  sink, [](size_t, size_t) { throw Stopped(); }),
      Stopped);
}

TEST(EngineFactory, SaysThatTheMemoryIsTooSmall) {
  EngineSettings settings = demo_settings();
  settings.model.max_model_len = 2048;
  settings.device.kv_cache_bytes = 1 << 10;
  OneAnswer sink;
  try {
    make_engine(settings, read_model_files(*open_model(settings.model.path), settings.model), sink,
                {});
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find("--kv-cache-memory-bytes"), std::string::npos);
  }
}

}  // namespace
}  // namespace ember
