// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace ember {
namespace {

TEST(Signals, CountsStopsAndReloadsAndIgnoresTheRest) {
  Signals signals;
  ::kill(::getpid(), SIGHUP);
  ::kill(::getpid(), SIGUSR1);
  ::kill(::getpid(), SIGUSR2);
  ::kill(::getpid(), SIGPIPE);
  signals.wait(0, std::chrono::milliseconds(1));
  EXPECT_EQ(signals.stops(), 0);
  while (signals.reloads() == 0) signals.wait(0, std::chrono::milliseconds(1));
  EXPECT_EQ(signals.reloads(), 1);
  ::kill(::getpid(), SIGTERM);
  signals.wait(0, std::chrono::seconds(30));
  EXPECT_EQ(signals.stops(), 1);
  ::kill(::getpid(), SIGINT);
  signals.wait(1, std::chrono::seconds(30));
  EXPECT_EQ(signals.stops(), 2);
}

}  // namespace
}  // namespace ember
