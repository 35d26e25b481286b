// SPDX-License-Identifier: Apache-2.0
#include "bounded_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace ember {
namespace {

TEST(BoundedThread, WaitsForWorkThatEnds) {
  const auto value = std::make_shared<std::atomic<int>>(0);
  EXPECT_EQ(run_bounded([value] { *value = 7; }, std::chrono::seconds(10), kNever),
            BoundedResult::kDone);
  EXPECT_EQ(*value, 7);
}

TEST(BoundedThread, GivesUpWorkThatUsesTooMuchTime) {
  struct State {
    std::atomic<bool> stop{false}, ended{false};
  };
  const auto state = std::make_shared<State>();
  const auto spin = [state] {
    while (!state->stop) {
    }
    state->ended = true;
  };
  EXPECT_EQ(run_bounded(spin, std::chrono::milliseconds(10), kNever), BoundedResult::kTooLong);
  EXPECT_FALSE(state->ended);
  state->stop = true;
  while (!state->ended) std::this_thread::yield();  // what it owns lives on until it ends
}

TEST(BoundedThread, GivesUpWorkThatOnlyWaits) {
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  const auto sleep = [stop] { stop->wait(false); };
  EXPECT_EQ(run_bounded(sleep, std::chrono::hours(1), Clock::now()), BoundedResult::kTooLong);
  *stop = true;
  stop->notify_all();
}

int depth_reached(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? frame[0]
                    : 1 + depth_reached(depth - 1) + (frame[0] != static_cast<char>(depth) ? 1 : 0);
}

TEST(BoundedThread, HasALargeStack) {
  const auto value = std::make_shared<int>(0);
  EXPECT_EQ(
      run_bounded([value] { *value = depth_reached(10000); }, std::chrono::seconds(60), kNever),
      BoundedResult::kDone);  // 40 MB
  EXPECT_EQ(*value, 10000);
}

}  // namespace
}  // namespace ember
