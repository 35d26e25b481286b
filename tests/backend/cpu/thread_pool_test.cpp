// SPDX-License-Identifier: Apache-2.0
#include "cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

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
      const auto note = [&](int task, int thread) {
        if (thread < 0 || thread >= threads) legal = false;
        done[static_cast<size_t>(task)].fetch_add(1);
      };
      pool.run(tasks, note, 1 + round % 5 * 10);
      ASSERT_TRUE(legal);
      for (const auto& count : done) ASSERT_EQ(count.load(), 1) << "round " << round;
    }
  }
}

// A long task holds up none that another thread could do.
TEST(ThreadPool, TasksAreTakenOneByOneUnlessToldOtherwise) {
  ThreadPool pool(2);
  std::atomic<int> others{0};
  int before_the_first_ended = 0;
  pool.run(40, [&](int task, int) {
    if (task > 0) {
      others.fetch_add(1);
      return;
    }
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (others.load() < 39 && std::chrono::steady_clock::now() < limit)
      std::this_thread::yield();
    before_the_first_ended = others.load();
  });
  EXPECT_EQ(before_the_first_ended, 39);
}

}  // namespace
}  // namespace ember::cpu
