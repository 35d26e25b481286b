// SPDX-License-Identifier: Apache-2.0
#include "ember/base/integers.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace ember {
namespace {

TEST(Integers, CeilDivIsTheLeastQuotientThatCovers) {
  for (int n = 0; n < 100; ++n)
    for (int d = 1; d < 20; ++d) {
      const int q = ceil_div(n, d);
      EXPECT_GE(q * d, n);
      EXPECT_LT((q - 1) * d, n) << n << " " << d;
    }
  EXPECT_EQ(ceil_div(int64_t{1} << 40, 3), ((int64_t{1} << 40) + 2) / 3);
}

TEST(Integers, RoundUpIsTheLeastMultipleNotBelow) {
  EXPECT_EQ(round_up(0, 8), 0);
  EXPECT_EQ(round_up(1, 8), 8);
  EXPECT_EQ(round_up(8, 8), 8);
  EXPECT_EQ(round_up(size_t{9}, 8), 16u);
  static_assert(round_up(65, 64) == 128);
}

}  // namespace
}  // namespace ember
