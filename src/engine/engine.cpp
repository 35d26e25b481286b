// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/engine.h"

#include <exception>

#include "ember/base/log.h"

namespace ember {

namespace {

// How often an idle engine checks the deadlines of waiting requests.
constexpr Duration kIdleTick = std::chrono::milliseconds(100);

SchedulerConfig with_depth(SchedulerConfig config, int max_in_flight) {
  config.max_in_flight = max_in_flight;
  return config;
}

}  // namespace

Engine::Engine(const SchedulerConfig& config, const BlockPoolConfig& cache,
               std::unique_ptr<StepRunner> runner, OutputSink& sink)
    : max_model_len_(config.max_model_len),
      capacity_{.step_tokens = config.max_num_batched_tokens,
                .max_num_seqs = config.max_num_seqs,
                .kv_tokens = int64_t{cache.num_blocks} * cache.block_size},
      pool_(cache),
      scheduler_(with_depth(config, runner->max_in_flight()), pool_),
      runner_(std::move(runner)),
      sink_(sink),
      last_progress_(Clock::now().time_since_epoch().count()) {}

std::future<std::vector<SequenceTrace>> Engine::traces() {
  Traces promise;
  std::future<std::vector<SequenceTrace>> future = promise.get_future();
  commands_.push(std::move(promise));
  return future;
}

void Engine::run() {
  while (!stopping_) {
    const bool idle = in_flight_.empty() && (failed() || !scheduler_.has_work());
    take_commands(idle ? commands_.wait_all(kIdleTick) : commands_.take_all());
    StepReport report;
    try {
      const bool launched = !failed() && launch_next();
      const bool full = in_flight_.size() >= static_cast<size_t>(runner_->max_in_flight());
      if (full || (!launched && !in_flight_.empty())) report = commit_oldest();
    } catch (const std::exception& e) {
      fail(e.what());
    }
    publish(report);
  }
  scheduler_.abort_all(FinishReason::kEngineFailed);
  publish({});
  runner_.reset();
}

void Engine::take_commands(std::vector<Command> commands) {
  for (Command& command : commands) {
    if (const RequestId* id = std::get_if<RequestId>(&command)) {
      scheduler_.cancel(*id);
      continue;
    }
    if (Traces* traces = std::get_if<Traces>(&command)) {
      traces->set_value(scheduler_.traces());
      continue;
    }
    if (std::holds_alternative<Stop>(command)) {
      stopping_ = true;
      continue;
    }
    RequestRef& request = std::get<RequestRef>(command);
    const RequestId id = request->id;
    if (failed()) {
      events_.push_back({.request_id = id, .finish = FinishReason::kEngineFailed});
    } else if (const Result<void> taken = scheduler_.submit(std::move(request), Clock::now());
               !taken.ok()) {
      // The front end has checked the request against the same limits, so this is a fault of ours,
      // not the client's.
      spdlog::error("request {} was refused by the scheduler: {}", id, taken.error().message);
      events_.push_back({.request_id = id, .finish = FinishReason::kEngineFailed});
    }
  }
}

bool Engine::launch_next() {
  if (in_flight_.size() >= static_cast<size_t>(runner_->max_in_flight())) return false;
  const Step& step = scheduler_.schedule(Clock::now());
  if (step.seqs.empty()) return false;
  if (in_flight_.empty()) device_busy_since_ = Clock::now();
  runner_->launch(step);
  in_flight_.push_back(&step);
  return true;
}

StepReport Engine::commit_oldest() {
  const std::span<const SampledToken> sampled = runner_->wait();
  const Step& step = *in_flight_.front();
  in_flight_.erase(in_flight_.begin());
  const TimePoint done = Clock::now();  // the device goes on with the next one, if there is one
  const Duration took = done - std::exchange(device_busy_since_, done);
  const StepReport report{.num_tokens = step.num_tokens,
                          .num_decode_tokens = step.num_decode_tokens,
                          .step_seconds = seconds(took)};
  scheduler_.commit(step, sampled, took);
  if (!in_flight_.empty() && in_flight_.front()->samples_after_commit)
    runner_->sample(*in_flight_.front());
  return report;
}

// The device is gone: the steps in flight are lost, and every request ends with kEngineFailed.
void Engine::fail(const std::string& why) {
  spdlog::critical("the engine failed: {}", why);
  in_flight_.clear();
  scheduler_.abort_all(FinishReason::kEngineFailed);
  failed_.store(true, std::memory_order_release);
}

void Engine::publish(StepReport report) {
  const TimePoint now = Clock::now();
  last_progress_.store(now.time_since_epoch().count(), std::memory_order_release);
  speed_.measure(report.num_tokens, now);
  scheduler_.take_events(events_);
  report.scheduler = scheduler_.stats();
  report.tokens_per_second = speed_.tokens_per_second();
  report.failed = failed();
  sink_.on_step(std::exchange(events_, {}), report);
}

}  // namespace ember
