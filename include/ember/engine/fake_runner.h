// SPDX-License-Identifier: Apache-2.0
// A stand-in for a model: the next token is a hash of all tokens before it. For tests of everything
// around the model.
#pragma once

#include <deque>
#include <vector>

#include "ember/base/clock.h"
#include "ember/engine/mask_builder.h"
#include "ember/engine/step_runner.h"

namespace ember {

// What befalls it instead of a step.
struct FakeFault {
  int step = 0;        // the first one is 1; 0: nothing ever
  bool hangs = false;  // for ever, else it throws
};

class FakeRunner final : public StepRunner {
 public:
  // Each step takes step_time. max_in_flight 2: as a device that is given one step ahead.
  FakeRunner(int32_t vocab_size, Duration step_time, int max_in_flight = 2, FakeFault fault = {})
      : vocab_size_(vocab_size),
        step_time_(step_time),
        max_in_flight_(max_in_flight),
        fault_(fault),
        masks_(vocab_size, 1) {}

  // The token that follows `tokens`.
  static int32_t next_token(std::span<const int32_t> tokens, uint64_t seed, int32_t vocab_size);
  // The same under a mask: the hash chooses among the ids that are set; -1: none is.
  static int32_t next_token(std::span<const int32_t> tokens, uint64_t seed,
                            std::span<const uint32_t> mask);

  int max_in_flight() const override { return max_in_flight_; }
  void launch(const Step& step) override;
  void sample(const Step& step) override;
  std::span<const SampledToken> wait() override;

 private:
  const int32_t vocab_size_;
  const Duration step_time_;
  const int max_in_flight_;
  const FakeFault fault_;
  int num_steps_ = 0;
  MaskBuilder masks_;
  std::vector<SamplingRow> rows_;                   // of the step being launched
  std::deque<std::vector<SampledToken>> launched_;  // oldest first; the last one is always kept
  size_t num_waited_for_ = 0;                       // of those
};

}  // namespace ember
