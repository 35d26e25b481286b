// SPDX-License-Identifier: Apache-2.0
#include "http/poller.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace ember {
namespace {

TEST(Poller, SaysWhatIsReadyUntilItIsRemoved) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Poller poller;
  ASSERT_TRUE(poller.add(ends[0], EPOLLIN));
  EXPECT_TRUE(poller.wait(Clock::now()).empty());
  ASSERT_EQ(::write(ends[1], "a", 1), 1);
  const auto ready = poller.wait(Clock::now() + std::chrono::seconds(20));
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].data.fd, ends[0]);
  EXPECT_EQ(ready[0].events, static_cast<uint32_t>(EPOLLIN));
  poller.change(ends[0], 0);
  EXPECT_TRUE(poller.wait(Clock::now()).empty());
  poller.change(ends[0], EPOLLIN);
  EXPECT_EQ(poller.wait(Clock::now()).size(), 1u);
  poller.remove(ends[0]);
  EXPECT_TRUE(poller.wait(Clock::now()).empty());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Poller, AWakeEndsOneWait) {
  Poller poller;
  std::thread other([&] { poller.wake(); });
  EXPECT_TRUE(poller.wait(kNever).empty());  // for ever, but for the wake
  other.join();
  EXPECT_TRUE(poller.wait(Clock::now()).empty());
}

}  // namespace
}  // namespace ember
