// SPDX-License-Identifier: Apache-2.0
#include "speed_meter.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using std::chrono::milliseconds;

class Counter final : public OutputSink {
 public:
  void on_step(std::vector<TokenOutput> events, const StepReport&) override {
    num_events += events.size();
  }
  size_t num_events = 0;
};

TEST(SpeedMeter, MeasuresTokensPerSecondOfWorkAndIgnoresIdleTime) {
  Metrics metrics("m", "v");
  Counter next;
  std::atomic<double> speed{0};
  SpeedMeter meter(metrics, next, speed);
  TimePoint now = Clock::now();
  meter.measure(0, now);
  for (int i = 0; i < 10; ++i) meter.measure(50, now += milliseconds(100));
  EXPECT_DOUBLE_EQ(speed.load(), 500.0);
  meter.measure(0, now += std::chrono::hours(1));
  for (int i = 0; i < 20; ++i) meter.measure(10, now += milliseconds(100));
  EXPECT_DOUBLE_EQ(speed.load(), 100.0);
}

TEST(SpeedMeter, PassesEventsOnAndCountsSteps) {
  Metrics metrics("m", "v");
  Counter next;
  std::atomic<double> speed{0};
  SpeedMeter meter(metrics, next, speed);
  StepReport report{.num_tokens = 7};
  report.scheduler.num_blocks = 4;
  report.scheduler.num_used_blocks = 1;
  meter.on_step(std::vector<TokenOutput>(3), report);
  EXPECT_EQ(next.num_events, 3u);
  EXPECT_NE(metrics.text().find("vllm:kv_cache_usage_perc{model_name=\"m\"} 0.25"),
            std::string::npos);
  EXPECT_NE(metrics.text().find("vllm:iteration_tokens_total_sum{model_name=\"m\"} 7"),
            std::string::npos);
}

}  // namespace
}  // namespace ember
