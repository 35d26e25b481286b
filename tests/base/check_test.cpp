// SPDX-License-Identifier: Apache-2.0
#include "ember/base/check.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(Check, PassesSilently) { CHECK(1 + 1 == 2); }

TEST(CheckDeathTest, PrintsConditionAndValuesAndAborts) {
  const int block = 7;
  EXPECT_DEATH(CHECK(block < 4, "block {} of {}", block, 4),
               "CHECK\\(block < 4\\) failed: block 7 of 4");
  EXPECT_DEATH(CHECK(block < 4), "CHECK\\(block < 4\\) failed");
}

}  // namespace
}  // namespace ember
