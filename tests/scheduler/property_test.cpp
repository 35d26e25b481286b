// SPDX-License-Identifier: Apache-2.0
// Random operations on random small configurations; every answer is compared with the request run
// alone.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>

#include "scheduler/simulation.h"

namespace ember::test {
namespace {

// What a CHECK of the scheduler itself, which aborts, is to say before the process ends.
const Simulation* g_simulation = nullptr;
uint64_t g_seed = 0;

void print_trace(int) {
  std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(g_seed));
  if (g_simulation != nullptr)
    for (const std::string& line : g_simulation->trace())
      std::fprintf(stderr, "  %s\n", line.c_str());
}

// Steps executed, or 0 after a failure.
uint64_t simulate(uint64_t seed, int num_ops) {
  SeededChoices choices(seed);
  const Setup setup = any_setup(choices);
  Simulation simulation(setup);
  g_simulation = &simulation;
  g_seed = seed;
  std::string failure;
  try {
    for (int i = 0; i < num_ops; ++i) simulation.any(choices);
    simulation.drain();
  } catch (const std::exception& e) {
    failure = e.what();
  }
  g_simulation = nullptr;
  if (failure.empty()) return simulation.num_steps();
  std::string trace;
  for (const std::string& line : simulation.trace()) trace += "  " + line + "\n";
  ADD_FAILURE() << failure << "\nseed " << seed << ", " << setup.text() << "\n" << trace;
  return 0;
}

TEST(SchedulerProperty, EveryRequestAnswersAsIfAlone) {
  auto* before = std::signal(SIGABRT, print_trace);
  const uint64_t first_seed = 20250101;
#if defined(NDEBUG)
  constexpr uint64_t kSteps = 1'000'000;
#else  // with a sanitizer a step takes twenty times as long
  constexpr uint64_t kSteps = 100'000;
#endif
  uint64_t steps = 0, seed = first_seed;
  for (; steps < kSteps; ++seed) {
    const uint64_t done = simulate(seed, 400);
    if (HasFailure()) break;
    ASSERT_GT(done, 0u) << "seed " << seed;
    steps += done;
  }
  std::signal(SIGABRT, before);
  std::printf("%llu steps, seeds %llu to %llu\n", static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(first_seed),
              static_cast<unsigned long long>(seed - 1));
}

TEST(SchedulerProperty, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::vector<std::string> traces[2];
    for (auto& trace : traces) {
      SeededChoices choices(seed);
      Simulation simulation(any_setup(choices));
      for (int i = 0; i < 200; ++i) simulation.any(choices);
      simulation.drain();
      trace = simulation.trace();
    }
    EXPECT_EQ(traces[0], traces[1]) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ember::test
