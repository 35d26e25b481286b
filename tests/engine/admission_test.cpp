// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/admission.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ember {
namespace {

TEST(Admission, TicketsBoundSequencesAndTokensAndGiveThemBack) {
  Admission admission(3, 100);
  {
    Result<Ticket> first = admission.reserve();
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(first.value().extend(1, 60).ok());
    EXPECT_EQ(admission.sequences(), 2);
    EXPECT_EQ(admission.tokens(), 60);
    const Result<void> too_many = first.value().extend(2, 0);
    ASSERT_FALSE(too_many.ok());
    EXPECT_EQ(too_many.error().kind, ErrorKind::kBusy);
    EXPECT_EQ(too_many.error().code, "queue_full");
    EXPECT_FALSE(first.value().extend(0, 41).ok());
    EXPECT_EQ(admission.sequences(), 2);  // a refusal takes nothing
    EXPECT_EQ(admission.tokens(), 60);
    Result<Ticket> second = admission.reserve();
    ASSERT_TRUE(second.ok());
    EXPECT_FALSE(admission.reserve().ok());
    const Ticket moved = std::move(second).value();
    EXPECT_EQ(admission.sequences(), 3);
  }
  EXPECT_EQ(admission.sequences(), 0);
  EXPECT_EQ(admission.tokens(), 0);
}

TEST(Admission, EveryModelAddsItsRoom) {
  Admission admission;
  EXPECT_FALSE(admission.reserve().ok()) << "nothing is served";
  admission.add_room(1, 10);
  admission.add_room(1, 20);
  Result<Ticket> first = admission.reserve();
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first.value().extend(1, 30).ok());
  EXPECT_FALSE(first.value().extend(0, 1).ok());
  EXPECT_FALSE(admission.reserve().ok());
}

TEST(Admission, ManyThreadsNeverPassTheLimit) {
  Admission admission(5, 1000);
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) {
        const Result<Ticket> ticket = admission.reserve();
        int now = admission.sequences(), seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), 5);
  EXPECT_EQ(admission.sequences(), 0);
}

}  // namespace
}  // namespace ember
