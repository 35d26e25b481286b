// SPDX-License-Identifier: Apache-2.0
// The engine: one thread that owns the scheduler and the device, and turns requests into tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ember/base/queue.h"
#include "ember/cache/block_pool.h"
#include "ember/engine/step_runner.h"
#include "ember/scheduler/request.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// What one trip through the loop did.
struct StepReport {
  int num_tokens = 0;        // in the step committed; 0 when there was none
  SchedulerStats scheduler;  // after it
};

// Receives what the engine produces. Called on the engine's thread after every step, also when
// `events` is empty.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void on_step(std::vector<TokenOutput> events, const StepReport& report) = 0;
};

class Engine {
 public:
  // `sink` must outlive the engine. Nothing runs before start(). config.max_in_flight is the
  // runner's.
  Engine(const SchedulerConfig& config, const BlockPoolConfig& cache,
         std::unique_ptr<StepRunner> runner, OutputSink& sink);
  ~Engine();  // stop()
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start();
  // Ends the loop after the current step; everything unfinished ends with kEngineFailed. Any thread
  // but the engine's.
  void stop();

  // Any thread; never blocks. The answer, a refusal by the scheduler included, comes through the
  // sink.
  void submit(Request request) { commands_.push(std::move(request)); }
  // Any thread. A request that is not there (any more) is ignored; otherwise its last event is
  // kCancelled.
  void cancel(RequestId id) { commands_.push(id); }
  // Any thread. Where every sequence stands after the current step, see Scheduler::traces(). The
  // future stays empty while a step hangs, and throws once the engine has ended.
  std::future<std::vector<SequenceTrace>> traces();

  // True once the device has failed: everything was answered with kEngineFailed and nothing will
  // run again.
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // The time of the last step or idle tick; older than a few seconds means that a step hangs.
  TimePoint last_progress() const {
    return TimePoint(Duration(last_progress_.load(std::memory_order_acquire)));
  }

 private:
  using Traces = std::promise<std::vector<SequenceTrace>>;
  using Command = std::variant<Request, RequestId, Traces>;

  void loop();
  void take_commands(std::vector<Command> commands);
  bool launch_next();
  int commit_oldest();  // number of tokens in the step
  void fail(const std::string& why);
  void publish(int num_tokens);

  BlockPool pool_;
  Scheduler scheduler_;
  std::unique_ptr<StepRunner> runner_;
  OutputSink& sink_;
  Queue<Command> commands_;
  std::vector<const Step*> in_flight_;  // launched, oldest first
  std::vector<TokenOutput> events_;
  std::atomic<bool> stopping_{false}, failed_{false};
  std::atomic<Duration::rep> last_progress_{0};
  std::thread thread_;
};

}  // namespace ember
