// SPDX-License-Identifier: Apache-2.0
// Memory between CTAs, grids and the host on the emulated machine: for each rule of
// kernels/README.md a kernel that keeps it, and the same without what the rule asks for.
#include <set>

#include "kernels/rules_case.h"

namespace ember::kernels {
namespace {

using Grids = RulesTest;

// --- clusters

TEST_F(Grids, AClusterBarrierOrdersItsCtasAndKeepsTheirMemory) {
  const auto kernel = [](bool before, bool after, uint64_t seed) {
    return grid(
        {.grid = dim3(2), .threads = 32, .shared_bytes = 1024, .cluster = 2},
        [=] {
          words()[threadIdx.x] = blockIdx.x;
          if (before) cluster_sync();
          const uint32_t other = 1 - blockIdx.x;
          if (*peer_shared(words() + threadIdx.x, static_cast<int>(other)) != other && before)
            __trap();
          if (after) cluster_sync();
        },
        seed);
  };
  const std::string ended = "access to the shared memory of a CTA that has ended",
                    ends = "a CTA ends while another one may use its shared memory";
  std::set<bool> too_late;  // for the access, or for the end of the other CTA
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(kernel(true, true, seed), "");
    EXPECT_SAYS(kernel(false, true, seed), "and no barrier is between them");
    const std::string said = kernel(true, false, seed);
    too_late.insert(says(said, ended));
    EXPECT_TRUE(says(said, ended) || says(said, ends)) << said;
  }
  EXPECT_EQ(too_late.size(), 2u);
}

// --- the grid, and grids before it

// Each CTA stores a word; the last to arrive reads all of them.
struct Parts {
  bool release = true, acquire = true;
};
std::string last_of(const Parts& parts, bool by_one) {
  Guarded<uint32_t> data(64), counter(1);
  emu::configure({.seed = 3});
  return error_of([&] {
    emu::run({.grid = dim3(4), .threads = 64, .shared_bytes = 1024}, [&] {
      if (threadIdx.x == 60) data[blockIdx.x] = blockIdx.x + 1;
      if (parts.release && !by_one) __threadfence();
      __syncthreads();
      if (parts.release && by_one && threadIdx.x == 0) __threadfence();
      if (threadIdx.x == 0) words()[0] = atomicAdd(&counter[0], 1u) == 3;
      if (parts.acquire && by_one && threadIdx.x == 0) __threadfence();
      __syncthreads();
      if (words()[0] == 0) return;
      if (parts.acquire && !by_one) __threadfence();
      if (data[threadIdx.x % 4] != threadIdx.x % 4 + 1) __trap();
    });
  });
}

TEST_F(Grids, CtasOfAGridAreOrderedByFencesAroundAtomics) {
  for (const bool by_one : {false, true}) {  // thread, or all
    EXPECT_EQ(last_of({}, by_one), "");
    EXPECT_SAYS(last_of({.release = false}, by_one), "nothing orders the two");
    EXPECT_SAYS(last_of({.acquire = false}, by_one), "nothing orders the two");
  }
}

TEST_F(Grids, AtomicsOfAGridAreOrderedAmongThemselvesOnly) {
  Guarded<uint32_t> counter(1);
  // Each CTA counts; number `which` to do so touches the counter afterwards as no atomic does.
  const auto kernel = [&](uint32_t which, bool store) {
    counter[0] = 0;
    return grid({.grid = dim3(4), .threads = 32, .shared_bytes = 0}, [&, which, store] {
      if (threadIdx.x != 0 || atomicAdd(&counter[0], 1u) != which) return;
      if (store) {
        counter[0] = 0;
      } else {
        volatile uint32_t word = counter[0];
        (void)word;
      }
    });
  };
  for (const bool store : {false, true}) {
    EXPECT_EQ(kernel(3, store), "");  // the last one has seen all others
    EXPECT_SAYS(kernel(1, store), "and nothing orders the two");
  }
  // CTA 0 does not count: it loads, before or after others count.
  std::set<bool> before;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const std::string said = grid(
        {.grid = dim3(3), .threads = 32, .shared_bytes = 0},
        [&] {
          if (blockIdx.x != 0) {
            atomicAdd(&counter[0], 1u);
          } else {
            volatile uint32_t word = counter[0];
            (void)word;
          }
        },
        seed);
    EXPECT_SAYS(said, "and nothing orders the two");
    before.insert(says(said, "reads it"));
  }
  EXPECT_EQ(before.size(), 2u);
}

// After a grid that has written `data` and let this one begin early.
std::string dependent(Guarded<uint32_t>& data, const std::function<void()>& kernel) {
  const emu::Chain chain;
  emu::predecessor_writes(data.data(), data.size() * 4);
  emu::configure({.seed = 3});
  return error_of([&] {
    emu::run(
        {.grid = dim3(2), .threads = 32, .shared_bytes = 8192, .cluster = 1, .programmatic = true},
        kernel);
  });
}

TEST_F(Grids, LoadsAndStoresWaitForTheDependency) {
  Guarded<uint32_t> data(64, 7);
  const auto load = [&](bool wait) {
    return dependent(data, [&, wait] {
      if (wait) wait_for_dependencies();
      if (data[threadIdx.x] != 7) __trap();
      wait_for_dependencies();
    });
  };
  const auto store = [&](bool wait) {
    return dependent(data, [&, wait] {
      if (wait) wait_for_dependencies();
      data[blockIdx.x * 32 + threadIdx.x] = 7;
      wait_for_dependencies();
    });
  };
  EXPECT_EQ(load(true), "");
  EXPECT_SAYS(load(false), "wait_for_dependencies has not been called");
  EXPECT_EQ(store(true), "");
  EXPECT_SAYS(store(false), "wait_for_dependencies has not been called");
}

TEST_F(Grids, AWaitOfOneThreadIsPassedOnByBarriers) {
  Guarded<uint32_t> data(64, 7);
  EXPECT_EQ(dependent(data,
                      [&] {
                        if (threadIdx.x == 0) wait_for_dependencies();
                        __syncthreads();
                        if (data[threadIdx.x] != 7) __trap();
                      }),
            "");
}

TEST_F(Grids, CopiesOfWhatStoresWroteWantAProxyFenceAfterTheWait) {
  Guarded<uint32_t> data(64, 7);
  const auto copy = [&](bool before, bool after) {
    return dependent(data, [&, before, after] {
      const uint32_t barrier = barrier_for(1);
      if (before) fence_proxy_async();
      wait_for_dependencies();
      if (after) fence_proxy_async();
      if (threadIdx.x == 0) {
        mbarrier_arrive_expect(barrier, 128);
        bulk_load(shared_address(words()), data.data(), 128, barrier, 0);
      }
      mbarrier_wait(barrier, 0);
    });
  };
  EXPECT_EQ(copy(false, true), "");
  EXPECT_SAYS(copy(false, false), "no fence_proxy_async is between them");
  EXPECT_SAYS(copy(true, false), "no fence_proxy_async is between them");
}

TEST_F(Grids, EveryCtaWaitsSoThatTheNextGridMayRelyOnIt) {
  Guarded<uint32_t> data(64);
  EXPECT_SAYS(dependent(data,
                        [] {
                          if (blockIdx.x == 0) wait_for_dependencies();
                        }),
              "a CTA ends without wait_for_dependencies");
}

// A grid stores, and another begins early after it, or after a third one between them.
struct First {
  bool fence = true, trigger = false;
};
std::string second_reads_early(const First& first, bool third) {
  Guarded<uint32_t> data(32);
  const emu::Chain chain;
  emu::configure({.seed = 3});
  const auto launch = [](const std::function<void()>& kernel) {
    emu::run(
        {.grid = dim3(1), .threads = 32, .shared_bytes = 0, .cluster = 1, .programmatic = true},
        kernel);
  };
  return error_of([&] {
    launch([&] {
      if (first.trigger) launch_dependents();
      wait_for_dependencies();
      data[threadIdx.x] = 5;
      if (first.fence) __threadfence();
    });
    if (third)
      launch([] {
        launch_dependents();
        wait_for_dependencies();
      });
    launch([&] {
      if (data[threadIdx.x] != 5) __trap();
      wait_for_dependencies();
    });
  });
}

TEST_F(Grids, WhatAGridFencesIsSeenEarlyByThoseThatBeginWhenItHasEnded) {
  for (const bool third : {false, true}) {
    EXPECT_EQ(second_reads_early({}, third), "");
    EXPECT_SAYS(second_reads_early({.fence = false}, third), "wait_for_dependencies has not");
    EXPECT_SAYS(second_reads_early({.trigger = true}, third), "wait_for_dependencies has not");
  }
}

// A grid of two CTAs, of which the second tells the host that both results are there.
TEST_F(Grids, TheHostSeesWhatASystemFenceCovers) {
  Guarded<uint32_t> data(2), counter(1), word(1);
  const auto kernel = [&](bool first, bool last) {
    const emu::HostPoll poll(word.data(), data.data(), 8);
    counter[0] = 0;
    return grid({.grid = dim3(2), .threads = 32, .shared_bytes = 0}, [&, first, last] {
      if (threadIdx.x != 0) return;
      data[blockIdx.x] = 1;
      if (first) __threadfence_system();
      if (atomicAdd(&counter[0], 1u) != 1) return;
      if (last) __threadfence_system();
      *static_cast<volatile uint32_t*>(word.data()) = 1;
    });
  };
  EXPECT_EQ(kernel(true, true), "");
  EXPECT_SAYS(kernel(false, true), "no __threadfence_system has made it visible");
  EXPECT_SAYS(kernel(true, false), "no __threadfence_system has made it visible");
}

// Of two CTAs one waits for the other's arrival at its barrier.
TEST_F(Grids, ArrivalsOfAnotherCtaAreSeenAtTheClustersScope) {
  const auto kernel = [&](bool cluster_scope) {
    return grid({.grid = dim3(2), .threads = 32, .shared_bytes = 8192, .cluster = 2}, [=] {
      const uint32_t barrier = barrier_for(1);
      cluster_sync();
      if (threadIdx.x == 0 && blockIdx.x == 1) mbarrier_arrive_peer(barrier, 0);
      if (threadIdx.x == 0 && blockIdx.x == 0) {
        if (cluster_scope)
          mbarrier_wait_cluster(barrier, 0);
        else
          mbarrier_wait(barrier, 0);
      }
      cluster_sync();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "only mbarrier_wait_cluster sees them");
}

}  // namespace
}  // namespace ember::kernels
