// SPDX-License-Identifier: Apache-2.0
#include "ember/base/splitmix64.h"

#include <gtest/gtest.h>

#include <bit>

namespace ember {
namespace {

// The first outputs of the reference implementation (splitmix64.c of S. Vigna) from state 1234567.
TEST(SplitMix64, EqualsTheReference) {
  const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                               4593380528125082431u, 16408922859458223821u};
  uint64_t state = 1234567;
  for (const uint64_t value : expected) {
    EXPECT_EQ(splitmix64(state), value);
    state += kSplitMix64Step;
  }
}

TEST(SplitMix64, OneBitChangesAboutHalfTheResult) {
  int changed = 0;
  for (int bit = 0; bit < 64; ++bit)
    changed += std::popcount(mix_bits(12345) ^ mix_bits(12345 ^ (uint64_t{1} << bit)));
  EXPECT_NEAR(changed / 64.0, 32.0, 2.0);
}

}  // namespace
}  // namespace ember
