// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/engine_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <set>

#include "ember/base/start_error.h"
#include "engine/recorder.h"

namespace ember {
namespace {

constexpr SchedulerConfig kConfig{
    .max_num_batched_tokens = 8, .max_num_seqs = 2, .max_num_logit_rows = 2, .max_model_len = 32};
constexpr BlockPoolConfig kPool{.num_blocks = 8, .block_size = 4};

// Which threads have used a runner, and what for.
struct Log {
  void add(const std::string& what) {
    MutexLock lock(mu);
    threads.insert(std::this_thread::get_id());
    calls.insert(what);
  }
  Mutex mu;
  std::set<std::thread::id> threads;
  std::set<std::string> calls;
};

class LoggingRunner final : public StepRunner {
 public:
  explicit LoggingRunner(Log& log) : log_(log) { log_.add("construct"); }
  ~LoggingRunner() override { log_.add("destroy"); }
  int max_in_flight() const override { return 1; }
  void launch(const Step&) override { log_.add("launch"); }
  void sample(const Step&) override {}
  std::span<const SampledToken> wait() override {
    log_.add("wait");
    return {&sampled_, 1};
  }

 private:
  Log& log_;
  const SampledToken sampled_{.token = 7};
};

std::unique_ptr<Engine> make_engine(Log& log, OutputSink& sink) {
  return std::make_unique<Engine>(kConfig, kPool, std::make_unique<LoggingRunner>(log), sink);
}

Request request(RequestId id) {
  Request r;
  r.id = id;
  r.prompt = {1, 2, 3};
  r.max_tokens = 4;
  return r;
}

TEST(EngineThread, OneThreadMakesUsesAndDestroysTheRunner) {
  Log log;
  Recorder sink;
  {
    EngineThread thread([&](const LoadProgress&) { return make_engine(log, sink); });
    thread.engine()->submit(share(request(1)));
    ASSERT_TRUE(sink.wait_finished(1));
    EXPECT_EQ(sink.answer(1).tokens, (std::vector<int32_t>{7, 7, 7, 7}));
  }
  EXPECT_EQ(log.calls, (std::set<std::string>{"construct", "launch", "wait", "destroy"}));
  EXPECT_EQ(log.threads.size(), 1u);
  EXPECT_FALSE(log.threads.contains(std::this_thread::get_id()));
}

TEST(EngineThread, WhatTheFactoryThrowsReachesTheOwner) {
  Log log;
  EngineThread thread([&](const LoadProgress&) -> std::unique_ptr<Engine> {
    const LoggingRunner runner(log);
    throw StartError(ExitCode::kNoDevice, "no such device");
  });
  for (int i = 0; i < 2; ++i) {
    try {
      thread.engine();
      FAIL();
    } catch (const StartError& e) {
      EXPECT_EQ(e.code(), ExitCode::kNoDevice);
      EXPECT_STREQ(e.what(), "no such device");
    }
  }
  EXPECT_EQ(log.calls, (std::set<std::string>{"construct", "destroy"}));
  EXPECT_EQ(log.threads.size(), 1u);
  EXPECT_FALSE(log.threads.contains(std::this_thread::get_id()));
}

TEST(EngineThread, StopEndsTheLoadingAtItsNextSignOfProgress) {
  Recorder sink;
  std::atomic<int> reports{0};
  EngineThread thread([&](const LoadProgress& progress) -> std::unique_ptr<Engine> {
    while (true) {
      progress(5, 10);
      ++reports;
      std::this_thread::yield();
    }
  });
  while (reports == 0) std::this_thread::yield();
  EXPECT_FALSE(thread.wait_made(Duration::zero()));
  EXPECT_EQ(thread.bytes_done(), 5u);
  EXPECT_EQ(thread.bytes_total(), 10u);
  thread.stop();
  EXPECT_TRUE(thread.wait_made(Duration::zero()));
  EXPECT_THROW(thread.engine(), LoadStopped);
}

TEST(EngineThread, AnEngineMadeAfterStopIsDestroyedByItsThread) {
  Log log;
  Recorder sink;
  std::atomic<bool> loading{false};
  EngineThread thread([&](const LoadProgress& progress) {
    std::unique_ptr<Engine> engine = make_engine(log, sink);
    loading = true;
    try {
      while (true) progress(1, 1);
    } catch (const LoadStopped&) {  // as if stop() came after the last sign of progress
    }
    return engine;
  });
  while (!loading) std::this_thread::yield();
  thread.stop();
  EXPECT_THROW(thread.engine(), LoadStopped);
  EXPECT_EQ(log.calls, (std::set<std::string>{"construct", "destroy"}));
  EXPECT_EQ(log.threads.size(), 1u);
  EXPECT_FALSE(log.threads.contains(std::this_thread::get_id()));
}

TEST(EngineThread, TheEngineOutlivesItsService) {
  Log log;
  Recorder sink;
  EngineThread thread([&](const LoadProgress&) { return make_engine(log, sink); });
  const std::shared_ptr<Engine> engine = thread.engine();
  EXPECT_EQ(engine->max_model_len(), 32);
  thread.stop();
  EXPECT_EQ(thread.engine(), engine);
  engine->submit(share(request(1)));
  engine->cancel(1);
  EXPECT_FALSE(engine->failed());
}

// Whose device hangs until it is told to go on.
class HangingRunner final : public StepRunner {
 public:
  explicit HangingRunner(std::future<void> go_on) : go_on_(std::move(go_on)) {}
  int max_in_flight() const override { return 1; }
  void launch(const Step&) override {}
  void sample(const Step&) override {}
  std::span<const SampledToken> wait() override {
    go_on_.wait();
    return {&sampled_, 1};
  }

 private:
  const std::future<void> go_on_;
  const SampledToken sampled_{.token = 7};
};

constexpr Patience kImpatient{.loading = std::chrono::milliseconds(1),
                              .serving = std::chrono::milliseconds(300)};

bool comes_to_hang(EngineThread& thread) {
  while (!thread.hangs()) std::this_thread::yield();
  return true;
}

TEST(EngineThread, AStepThatDoesNotEndIsNotWaitedForForever) {
  Recorder sink;
  std::promise<void> go_on;
  EngineThread thread(
      [&](const LoadProgress&) {
        return std::make_unique<Engine>(kConfig, kPool,
                                        std::make_unique<HangingRunner>(go_on.get_future()), sink);
      },
      {.serving = kImpatient.serving});
  thread.engine()->submit(share(request(1)));
  EXPECT_TRUE(comes_to_hang(thread));
  EXPECT_FALSE(thread.stop());
  go_on.set_value();
  while (!thread.stop()) std::this_thread::yield();
}

TEST(EngineThread, LoadingWithoutASignOfProgressIsNotWaitedForForever) {
  Recorder sink;
  std::promise<void> go_on;
  const std::future<void> gone_on = go_on.get_future();
  EngineThread thread(
      [&](const LoadProgress& progress) -> std::unique_ptr<Engine> {
        progress(1, 10);
        gone_on.wait();
        throw StartError(ExitCode::kNoDevice, "no such device");
      },
      {.loading = kImpatient.loading});
  EXPECT_TRUE(comes_to_hang(thread));
  EXPECT_FALSE(thread.stop());
  go_on.set_value();
  while (!thread.stop()) std::this_thread::yield();
  EXPECT_THROW(thread.engine(), StartError);
}

// However impatient its owner is: it gives signs of life, as the report says that comes after each.
// Once it has ended it gives none, and does not hang either.
TEST(EngineThread, AnIdleEngineDoesNotHang) {
  Log log;
  Recorder sink;
  EngineThread thread([&](const LoadProgress&) { return make_engine(log, sink); },
                      {.serving = Duration::zero()});
  const std::shared_ptr<Engine> engine = thread.engine();
  const TimePoint sign = engine->last_progress();
  EXPECT_FALSE(thread.hangs());
  sink.next_report();
  EXPECT_GT(engine->last_progress(), sign);
  EXPECT_TRUE(log.calls == std::set<std::string>{"construct"}) << "it was idle";
  while (!thread.stop()) std::this_thread::yield();
  EXPECT_FALSE(thread.hangs());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_FALSE(thread.hangs()) << "it has ended";
}

// As after SIGSTOP and SIGCONT: it is found late, and then it gives another sign.
TEST(EngineThread, ALateSignIsNoHang) {
  Log log;
  Recorder sink;
  EngineThread thread([&](const LoadProgress&) { return make_engine(log, sink); },
                      {.serving = Duration::zero()});
  thread.engine();
  const TimePoint end = Clock::now() + std::chrono::milliseconds(1200);
  while (Clock::now() < end) EXPECT_FALSE(thread.hangs());
  EXPECT_TRUE(thread.stop());
}

}  // namespace
}  // namespace ember
