// SPDX-License-Identifier: Apache-2.0
#include "progress_line.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(ProgressLine, SaysBytesRateAndTimeLeft) {
  EXPECT_EQ(progress_text(4'000'000'000, 16'000'000'000, std::chrono::seconds(2)),
            "loading 4.0 of 16.0 GB, 2.0 GB/s, 6 s left");
  EXPECT_EQ(progress_text(0, 16'000'000'000, std::chrono::seconds(0)), "loading 0.0 of 16.0 GB");
}

TEST(ProgressLine, WritesNothingWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    ProgressLine().update(1, 2);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace ember
