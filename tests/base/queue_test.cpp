// SPDX-License-Identifier: Apache-2.0
#include "ember/base/queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace ember {
namespace {

using std::chrono::milliseconds;

TEST(Queue, KeepsOrderAndTellsWhenItWasEmpty) {
  Queue<int> queue;
  EXPECT_TRUE(queue.push(1));
  EXPECT_FALSE(queue.push(2));
  EXPECT_EQ(queue.take_all(), (std::vector<int>{1, 2}));
  EXPECT_TRUE(queue.take_all().empty());
  EXPECT_TRUE(queue.push(3));
}

TEST(Queue, WaitEndsWithNothingWhenNothingComes) {
  Queue<int> queue;
  EXPECT_TRUE(queue.wait_all(milliseconds(1)).empty());
}

TEST(Queue, NothingIsLostBetweenManyProducersAndOneConsumer) {
  constexpr int kProducers = 16, kItems = 2000;
  Queue<int> queue;
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p)
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) queue.push(p * kItems + i);
    });
  std::vector<int> last(kProducers, -1);
  int count = 0;
  while (count < kProducers * kItems) {
    for (const int item : queue.wait_all(std::chrono::seconds(10))) {
      EXPECT_EQ(item % kItems, last[static_cast<size_t>(item / kItems)] + 1);
      last[static_cast<size_t>(item / kItems)] = item % kItems;
      ++count;
    }
  }
  for (std::thread& thread : producers) thread.join();
  EXPECT_TRUE(queue.take_all().empty());
}

}  // namespace
}  // namespace ember
