// SPDX-License-Identifier: Apache-2.0
// The engine: owns the scheduler and the device, and turns requests into tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ember/base/queue.h"
#include "ember/cache/block_pool.h"
#include "ember/engine/generator.h"
#include "ember/engine/speed_meter.h"
#include "ember/engine/step_runner.h"
#include "ember/routing/router.h"
#include "ember/scheduler/request.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// One thread makes the runner, constructs the engine and calls run(): the device's thread. The
// other functions are for all threads. EngineThread is that thread.
class Engine final : public Generator {
 public:
  // `sink` must outlive the engine. The runner's max_in_flight() replaces config.max_in_flight.
  Engine(const SchedulerConfig& config, const BlockPoolConfig& cache,
         std::unique_ptr<StepRunner> runner, OutputSink& sink);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Serves until stop(), on the calling thread. At the end everything unfinished is answered with
  // kEngineFailed and the runner is destroyed. Called once.
  void run();
  // Any thread; does not wait. Ends run() after the current step.
  void stop() { commands_.push(Stop{}); }

  // A request that comes when the engine has ended is not answered.
  void submit(RequestRef request) override { commands_.push(std::move(request)); }
  void cancel(RequestId id) override { commands_.push(id); }
  std::future<std::vector<SequenceTrace>> traces() override;
  bool failed() const override { return failed_.load(std::memory_order_acquire); }
  // Of one sequence, prompt and answer, in tokens. Any thread.
  int max_model_len() const { return max_model_len_; }
  // Any thread.
  const ReplicaCapacity& capacity() const { return capacity_; }
  TimePoint last_progress() const override {
    return TimePoint(Duration(last_progress_.load(std::memory_order_acquire)));
  }

 private:
  using Traces = std::promise<std::vector<SequenceTrace>>;
  struct Stop {};
  using Command = std::variant<RequestRef, RequestId, Traces, Stop>;

  void take_commands(std::vector<Command> commands);
  bool launch_next();
  StepReport commit_oldest();  // what the step did
  void fail(const std::string& why);
  void publish(StepReport report);

  const int max_model_len_;
  const ReplicaCapacity capacity_;
  BlockPool pool_;
  Scheduler scheduler_;
  std::unique_ptr<StepRunner> runner_;
  OutputSink& sink_;
  Queue<Command> commands_;
  std::vector<const Step*> in_flight_;  // launched, oldest first
  TimePoint device_busy_since_{};       // when it began the oldest of them
  std::vector<TokenOutput> events_;
  SpeedMeter speed_;
  bool stopping_ = false;
  std::atomic<bool> failed_{false};
  std::atomic<Duration::rep> last_progress_;
};

}  // namespace ember
