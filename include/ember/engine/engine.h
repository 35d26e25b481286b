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

// One thread makes the runner, constructs the engine and calls run(): the device's thread. The
// other functions are for all threads. EngineThread is that thread.
class Engine {
 public:
  // `sink` must outlive the engine. config.max_in_flight is the runner's.
  Engine(const SchedulerConfig& config, const BlockPoolConfig& cache,
         std::unique_ptr<StepRunner> runner, OutputSink& sink);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Serves until stop(), on the calling thread. At the end everything unfinished is answered with
  // kEngineFailed and the runner is destroyed. Once.
  void run();
  // Any thread; does not wait. Ends run() after the current step.
  void stop() { commands_.push(Stop{}); }

  // Any thread; never blocks. The answer, a refusal by the scheduler included, comes through the
  // sink. A request that comes when the engine has ended is not answered.
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
  // Of one sequence, prompt and answer, in tokens. Any thread.
  int max_model_len() const { return max_model_len_; }
  // The time of the last step or idle tick; older than a few seconds means that a step hangs.
  TimePoint last_progress() const {
    return TimePoint(Duration(last_progress_.load(std::memory_order_acquire)));
  }

 private:
  using Traces = std::promise<std::vector<SequenceTrace>>;
  struct Stop {};
  using Command = std::variant<Request, RequestId, Traces, Stop>;

  void take_commands(std::vector<Command> commands);
  bool launch_next();
  int commit_oldest();  // number of tokens in the step
  void fail(const std::string& why);
  void publish(int num_tokens);

  const int max_model_len_;
  BlockPool pool_;
  Scheduler scheduler_;
  std::unique_ptr<StepRunner> runner_;
  OutputSink& sink_;
  Queue<Command> commands_;
  std::vector<const Step*> in_flight_;  // launched, oldest first
  std::vector<TokenOutput> events_;
  bool stopping_ = false;
  std::atomic<bool> failed_{false};
  std::atomic<Duration::rep> last_progress_;
};

}  // namespace ember
