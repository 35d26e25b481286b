// SPDX-License-Identifier: Apache-2.0
// What turns requests into tokens, as the server sees it: one engine, or anything that stands for
// several.
#pragma once

#include <future>
#include <vector>

#include "ember/base/clock.h"
#include "ember/scheduler/request.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// What one iteration of an engine's loop did.
struct StepReport {
  int num_tokens = 0;            // in the step committed; 0 when there was none
  int num_decode_tokens = 0;     // of them: of answers, drafts included
  double step_seconds = 0;       // that the device took for it
  SchedulerStats scheduler;      // after it
  double tokens_per_second = 0;  // of the last seconds with work; 0: not measured yet
  bool failed = false;           // as Generator::failed
};

// Receives what an engine produces. Called on the engine's thread after every step, also when
// `events` is empty.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void on_step(std::vector<TokenOutput> events, const StepReport& report) = 0;
};

// Any thread may call everything. Everyone who may still call it shares its ownership.
class Generator {
 public:
  virtual ~Generator() = default;

  // Never blocks. Every request ends with an event that says so, a refused one too; the events come
  // through the sink that the generator was made with.
  virtual void submit(RequestRef request) = 0;
  // A request that is not there (any more) is ignored; otherwise its last event is kCancelled.
  virtual void cancel(RequestId id) = 0;

  // Where every sequence stands after the current step, see Scheduler::traces(). The future stays
  // empty while a step hangs, and throws once the generator has ended.
  virtual std::future<std::vector<SequenceTrace>> traces() = 0;
  // True once it has failed: everything was answered with kEngineFailed and nothing will run again.
  virtual bool failed() const = 0;
  // The time of the last step or idle tick; older than a few seconds means that a step hangs.
  virtual TimePoint last_progress() const = 0;
};

}  // namespace ember
