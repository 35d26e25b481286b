// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/rank_group.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace ember {
namespace {

TEST(RankGroup, EachRankHasOneThreadFromFirstToLast) {
  RankGroup group(std::make_shared<Rendezvous>(4));
  ASSERT_EQ(group.size(), 4);
  std::vector<std::thread::id> threads(4);
  group.run([&](int rank) { threads[static_cast<size_t>(rank)] = std::this_thread::get_id(); });
  EXPECT_EQ(threads[0], std::this_thread::get_id());
  for (int round = 0; round < 500; ++round) {
    std::vector<int> calls(4);
    group.run([&](int rank) {
      const auto r = static_cast<size_t>(rank);
      ++calls[r];
      EXPECT_EQ(threads[r], std::this_thread::get_id());
    });
    EXPECT_EQ(calls, std::vector<int>(4, 1));
  }
}

TEST(RankGroup, TheFirstFaultIsRethrownAndNobodyWaitsForIt) {
  for (int faulty = 0; faulty < 3; ++faulty) {
    const auto meeting = std::make_shared<Rendezvous>(3);
    RankGroup group(meeting);
    const auto meet_often = [&](int rank) {
      for (int i = 0; i < 10; ++i) {
        if (rank == faulty && i == 7) throw std::runtime_error("the device is lost");
        meeting->meet();
      }
    };
    EXPECT_FALSE(group.failed());
    EXPECT_THROW(group.run(meet_often), std::runtime_error);
    EXPECT_TRUE(group.failed());
    EXPECT_THROW(group.run([&](int) { meeting->meet(); }), RanksAborted);
  }
}

}  // namespace
}  // namespace ember
