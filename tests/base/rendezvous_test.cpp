// SPDX-License-Identifier: Apache-2.0
#include "ember/base/rendezvous.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace ember {
namespace {

TEST(Rendezvous, WhatEachDidBeforeAllSeeAfter) {
  constexpr int kThreads = 4, kRounds = 2000;
  Rendezvous meeting(kThreads);
  std::array<int, kThreads> counts{};  // plain: the meetings order what is done to them
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      for (int round = 1; round <= kRounds; ++round) {
        counts[i] = round;
        meeting.meet();
        for (const int count : counts)
          if (count != round) ++wrong;
        meeting.meet();
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(Rendezvous, NobodyWaitsForWhoDoesNotCome) {
  for (int round = 0; round < 200; ++round) {
    Rendezvous meeting(3);
    std::atomic<int> thrown{0};
    const auto wait = [&] {
      try {
        meeting.meet();
      } catch (const RanksAborted&) {
        ++thrown;
      }
    };
    {
      std::jthread one(wait), two(wait);
      meeting.abort();
    }
    wait();
    EXPECT_EQ(thrown, 3);
    EXPECT_TRUE(meeting.aborted());
  }
}

}  // namespace
}  // namespace ember
