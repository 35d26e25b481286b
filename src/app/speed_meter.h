// SPDX-License-Identifier: Apache-2.0
// Stands between engine and hub: counts, and knows how fast work is done.
#pragma once

#include <atomic>

#include "ember/engine/engine.h"
#include "ember/server/metrics.h"

namespace ember {

// A sink that passes everything on to the next one.
class SpeedMeter final : public OutputSink {
 public:
  // tokens_per_second: where the speed of the last seconds with work is left, prompt tokens and
  // generated ones alike.
  SpeedMeter(Metrics& metrics, OutputSink& next, std::atomic<double>& tokens_per_second)
      : metrics_(metrics), next_(next), tokens_per_second_(tokens_per_second) {}

  void on_step(std::vector<TokenOutput> events, const StepReport& report) override;
  // One step that ended at `now`; 0 tokens: there was nothing to do.
  void measure(int num_tokens, TimePoint now);

 private:
  Metrics& metrics_;
  OutputSink& next_;
  std::atomic<double>& tokens_per_second_;
  TimePoint window_begin_{};
  int64_t window_tokens_ = 0;
};

}  // namespace ember
