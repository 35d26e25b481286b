// SPDX-License-Identifier: Apache-2.0
// What carries out the steps that the scheduler plans.
#pragma once

#include <span>

#include "ember/base/sampling.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// Made, used and destroyed by the engine's thread. An exception from launch, sample or wait means
// that the device is gone: nothing more is asked of the runner.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  virtual int max_in_flight() const = 0;
  // Starts the step, but for the sampling of one with samples_after_commit. The step and its
  // sequences are read during this call only: afterwards the scheduler changes them, while the step
  // is in flight.
  virtual void launch(const Step& step) = 0;
  // Samples the step launched last, which has samples_after_commit, once the step before is
  // committed and before anything else happens. Reads the step and its sequences again.
  virtual void sample(const Step& step) = 0;
  // Blocks until the oldest launched step is done. One entry per logit row, in the step's order;
  // valid until the next call.
  virtual std::span<const SampledToken> wait() = 0;
};

}  // namespace ember
