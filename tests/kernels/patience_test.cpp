// SPDX-License-Identifier: Apache-2.0
// A kernel's wait ends by the clock, and not by how often it has asked.
#include "kernels/common/patience.h"

#include <gtest/gtest.h>

namespace ember::kernels {
namespace {

// How often a wait asks for what never comes when the clock says tick(asked).
template <class Tick>
uint64_t tries_until_end(Tick tick) {
  uint64_t asked = 0;
  for (Patience patience;;)
    if (++asked; patience.looks() && patience.ends(tick(asked))) return asked;
}

TEST(Patience, EndsByTheClock) {
  EXPECT_EQ(tries_until_end([](uint64_t asked) { return static_cast<uint32_t>(asked >> 11); }),
            3u << 11);
  EXPECT_EQ(tries_until_end([](uint64_t asked) { return static_cast<uint32_t>(asked >> 24); }),
            3u << 24);
}

TEST(Patience, TheClockMayBeginAnywhereAndPassZero) {
  for (const uint32_t begin : {0u, 7u, 0xFFFFFFFEu})
    EXPECT_EQ(tries_until_end([=](uint64_t asked) {
                return begin + static_cast<uint32_t>((asked - 1) / 2048);
              }),
              3u * 2048 + 1024)
        << begin;
}

TEST(Patience, LooksAtTheClockNowAndThen) {
  Patience patience;
  int looks = 0;
  for (int i = 0; i < 10240; ++i) looks += patience.looks();
  EXPECT_EQ(looks, 10);
}

}  // namespace
}  // namespace ember::kernels
