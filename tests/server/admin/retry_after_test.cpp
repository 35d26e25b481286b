// SPDX-License-Identifier: Apache-2.0
#include "admin/retry_after.h"

#include <gtest/gtest.h>

#include <set>

namespace ember {
namespace {

TEST(RetryAfter, IsTheTimeThatTheQueueTakes) {
  constexpr uint64_t kMiddle = 512;  // next to no jitter
  EXPECT_EQ(retry_after(0, 100, kMiddle), 1);
  EXPECT_NEAR(retry_after(1000, 100, kMiddle), 10, 1);
  EXPECT_EQ(retry_after(1'000'000, 100, kMiddle), 30);
  EXPECT_LE(retry_after(1000, 0, kMiddle), 2) << "nothing measured yet";
}

TEST(RetryAfter, IsSpreadButBounded) {
  std::set<int> seen;
  for (uint64_t dice = 0; dice < 1024; ++dice) {
    for (const int64_t tokens : {0, 1000, 100000}) {
      const int s = retry_after(tokens, 100, dice);
      EXPECT_TRUE(s >= 1 && s <= 30) << s;
    }
    seen.insert(retry_after(1000, 100, dice));
  }
  EXPECT_EQ(*seen.begin(), 8);
  EXPECT_EQ(*seen.rbegin(), 12);
}

}  // namespace
}  // namespace ember
