// SPDX-License-Identifier: Apache-2.0
#include "cpu/thread_pool.h"

#include <gtest/gtest.h>

namespace ember::cpu {
namespace {

TEST(ThreadPool, EveryTaskRunsOnceInEveryRound) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    for (int round = 0; round < 2000; ++round) {
      const int tasks = round % 37;
      std::vector<std::atomic<int>> done(static_cast<size_t>(tasks));
      std::atomic<bool> legal{true};
      pool.run(tasks, [&](int task, int thread) {
        if (thread < 0 || thread >= threads) legal = false;
        done[static_cast<size_t>(task)].fetch_add(1);
      });
      ASSERT_TRUE(legal);
      for (const auto& count : done) ASSERT_EQ(count.load(), 1) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace ember::cpu
