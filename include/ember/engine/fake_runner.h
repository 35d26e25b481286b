// A stand-in for a model: the next token is a hash of all tokens before it. For tests of everything around the model.
#pragma once

#include <vector>

#include "ember/base/clock.h"
#include "ember/engine/step_runner.h"

namespace ember {

class FakeRunner final : public StepRunner {
 public:
  // Each step takes step_time.
  FakeRunner(int32_t vocab_size, Duration step_time) : vocab_size_(vocab_size), step_time_(step_time) {}

  // The token that follows `tokens`.
  static int32_t next_token(std::span<const int32_t> tokens, uint64_t seed, int32_t vocab_size);

  int max_in_flight() const override { return 1; }
  void launch(const Step& step) override;
  std::span<const SampledToken> wait() override;

 private:
  const int32_t vocab_size_;
  const Duration step_time_;
  std::vector<SampledToken> sampled_;
};

}  // namespace ember
