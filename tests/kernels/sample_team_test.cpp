// SPDX-License-Identifier: Apache-2.0
// Reductions of a team on the emulated machine, one right after the other.
#include "kernels/sample_team.cuh"

#include <gtest/gtest.h>

#include "kernels/emulator_stream.h"
#include "machine.h"

namespace ember::kernels {
namespace {

struct Sums {
  int* of_thread;  // [reductions][threads of all CTAs]
  int reductions;
};

// Reduction number r is over r + 1 of each thread.
template <class Team>
__global__ void reduce_kernel(Sums sums) {
  EMBER_DYNAMIC_SHARED(dynamic);
  Team team{reinterpret_cast<TeamShared<Team::kThreads>*>(dynamic)};
  const int threads = Team::kCtas * Team::kThreads,
            self = team.cta() * Team::kThreads + team.thread();
  for (int r = 0; r < sums.reductions; ++r)
    sums.of_thread[r * threads + self] = team.reduce(r + 1, Plus{});
  team.sync();
}

// Also for a thread that comes late to read what the others have moved on from.
template <class Team>
void check_reductions() {
  constexpr int kReductions = 20, kAll = Team::kCtas * Team::kThreads;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    emu::configure({.seed = seed, .stall = 24});
    std::vector<int> sums(kReductions * kAll);
    const StreamRef stream = emulator_stream(90);
    launch(stream,
           {.grid = dim3(Team::kCtas),
            .threads = Team::kThreads,
            .shared_bytes = sizeof(TeamShared<Team::kThreads>),
            .cluster = Team::kCtas},
           reduce_kernel<Team>, Sums{sums.data(), kReductions});
    for (int i = 0; i < kReductions * kAll; ++i)
      ASSERT_EQ(sums[static_cast<size_t>(i)], (i / kAll + 1) * kAll)
          << "thread " << i % kAll << ", machine seed " << seed;
  }
}

TEST(SampleTeam, ReductionsOfOneCta) { check_reductions<Team<1, 64>>(); }
TEST(SampleTeam, ReductionsOfACluster) { check_reductions<Team<2, 64>>(); }

}  // namespace
}  // namespace ember::kernels
