// SPDX-License-Identifier: Apache-2.0
#include "ember/base/cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace ember {
namespace {

TEST(Cpus, CountsThoseThisThreadMayRunOn) {
  EXPECT_GE(usable_cpus(), 1);
  int pinned = 0;
  std::thread([&] {
    cpu_set_t set;
    ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &set)) ++cpu;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ASSERT_EQ(::sched_setaffinity(0, sizeof set, &set), 0);
    pinned = usable_cpus();
  }).join();
  EXPECT_EQ(pinned, 1);
}

}  // namespace
}  // namespace ember
