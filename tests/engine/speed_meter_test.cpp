// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/speed_meter.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using std::chrono::milliseconds;

TEST(SpeedMeter, MeasuresTokensPerSecondOfWorkAndIgnoresIdleTime) {
  SpeedMeter meter;
  TimePoint now = Clock::now();
  meter.measure(0, now);
  EXPECT_EQ(meter.tokens_per_second(), 0) << "not known yet";
  for (int i = 0; i < 10; ++i) meter.measure(50, now += milliseconds(100));
  EXPECT_DOUBLE_EQ(meter.tokens_per_second(), 500.0);
  meter.measure(0, now += std::chrono::hours(1));
  EXPECT_DOUBLE_EQ(meter.tokens_per_second(), 500.0);
  for (int i = 0; i < 20; ++i) meter.measure(10, now += milliseconds(100));
  EXPECT_DOUBLE_EQ(meter.tokens_per_second(), 100.0);
}

}  // namespace
}  // namespace ember
