// SPDX-License-Identifier: Apache-2.0
// The memory of a CTA on the emulated machine: for each rule of kernels/README.md a kernel that
// keeps it, and the same without what the rule asks for.
#include <algorithm>
#include <numeric>

#include "kernels/rules_case.h"

namespace ember::kernels {
namespace {

using Memory = RulesTest;

alignas(16) uint32_t g_counted[384];

TEST_F(Memory, StoresAreSeenBehindABarrier) {
  const auto kernel = [](bool barrier) {
    return run(64, [=] {
      words()[threadIdx.x] = threadIdx.x;
      if (barrier) __syncthreads();
      if (words()[63 - threadIdx.x] != 63 - threadIdx.x && barrier) __trap();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "no barrier is between them");
}

TEST_F(Memory, AStoreWaitsForTheLoadsBeforeIt) {
  const auto kernel = [](bool barrier) {
    return run(64, [=] {
      volatile uint32_t seen = words()[0];
      if (barrier) __syncthreads();
      if (threadIdx.x == 40) words()[0] = seen + 1;
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "no barrier is between them");
}

TEST_F(Memory, WithinAWarpSyncwarpOrdersAndAShuffleDoesNot) {
  const auto kernel = [](bool sync) {
    return run(32, [=] {
      words()[threadIdx.x] = threadIdx.x;
      if (sync)
        __syncwarp();
      else
        __shfl_sync(~0u, 1, 0);
      if (words()[31 - threadIdx.x] != 31 - threadIdx.x) __trap();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "another thread writes it");
}

TEST_F(Memory, MovmatrixWantsLanesThatAreTogether) {
  const auto kernel = [](bool sync) {
    return run(32, [=] {
      if (threadIdx.x % 2 == 0) {
        volatile uint32_t word = words()[threadIdx.x];
        (void)word;
      }
      if (sync) __syncwarp();
      movmatrix_trans(threadIdx.x);
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "movmatrix: nothing has brought the warp's lanes together");
}

TEST_F(Memory, NamedBarriersOrderThoseWhoComeBeforeThoseWhoWait) {
  EXPECT_EQ(run(64,
                [] {
                  if (threadIdx.x < 32) {
                    words()[threadIdx.x] = 1;
                    named_barrier_arrive(1, 64);
                  } else {
                    named_barrier_sync(1, 64);
                    if (words()[threadIdx.x - 32] != 1) __trap();
                  }
                }),
            "");
  EXPECT_SAYS(run(64,
                  [] {
                    if (threadIdx.x < 32) {
                      named_barrier_arrive(1, 64);
                      words()[threadIdx.x] = 1;  // too late
                    } else {
                      named_barrier_sync(1, 64);
                      if (words()[threadIdx.x - 32] != 1) __trap();
                    }
                  }),
              "no barrier is between them");
}

TEST_F(Memory, AtomicsAreOrderedAmongThemselvesOnly) {
  const auto kernel = [](bool barrier) {
    return run(64, [=] {
      if (threadIdx.x == 0) words()[0] = 0;
      __syncthreads();
      atomicAdd(words(), 1u);
      if (barrier) __syncthreads();
      if (threadIdx.x == 9 && words()[0] != 64 && barrier) __trap();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "no barrier is between them");
}

// --- mbarriers and asynchronous copies

TEST_F(Memory, AnMbarrierIsUsedBehindABarrierAndByCopiesBehindItsFence) {
  const auto kernel = [](bool fence, bool sync) {
    return run(32, [=] {
      const uint32_t barrier = barrier_for(1, fence, sync);
      if (threadIdx.x == 5) {
        copy_to_words(barrier, 16);
      }
      mbarrier_wait(barrier, 0);
    });
  };
  EXPECT_EQ(kernel(true, true), "");
  EXPECT_SAYS(kernel(false, true), "without fence_barrier_init");
  EXPECT_SAYS(kernel(true, false), "between its initialisation and this");
}

TEST_F(Memory, WhatACopyWritesIsSeenByThoseWhoWaitForItsMbarrier) {
  const auto kernel = [](bool wait) {
    return run(32, [=] {
      const uint32_t barrier = barrier_for(1);
      if (threadIdx.x == 0) copy_to_words(barrier, 128);
      if (wait || threadIdx.x != 7) mbarrier_wait(barrier, 0);
      volatile uint32_t word = words()[threadIdx.x];
      (void)word;
      if (!wait) mbarrier_wait(barrier, 0);
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "its mbarrier has not been waited for");
}

TEST_F(Memory, ACopyOverwritesWhatHasBeenReleased) {
  // Warp 0 reads; thread 32 has more copied to the same place. `arrivals`: of lane 0 alone, or of
  // every lane. `sync`: lane 0 waits for the others first.
  const auto kernel = [](int arrivals, bool sync) {
    return run(64, [=] {
      const uint32_t full = barrier_for(1), empty = full + 8;
      if (threadIdx.x == 0) mbarrier_init(empty, arrivals);
      __syncthreads();
      if (threadIdx.x == 32) {
        for (int i = 0; i < 2; ++i) {
          mbarrier_wait(empty, i ^ 1);
          copy_to_words(full, 128);
        }
      } else if (threadIdx.x < 32) {
        for (int i = 0; i < 2; ++i) {
          mbarrier_wait(full, i);
          volatile uint32_t word = words()[threadIdx.x];
          (void)word;
          if (sync) __syncwarp();
          if (arrivals == 32 || threadIdx.x == 0) mbarrier_arrive(empty);
        }
      }
    });
  };
  EXPECT_EQ(kernel(1, true), "");
  EXPECT_EQ(kernel(32, false), "");
  EXPECT_SAYS(kernel(1, false), "an asynchronous copy overwrites");
}

TEST_F(Memory, ACopyDoesNotSeeOrOverwriteOrdinaryStoresToSharedMemory) {
  EXPECT_SAYS(run(32,
                  [] {
                    const uint32_t barrier = barrier_for(1);
                    words()[threadIdx.x] = 0;
                    __syncthreads();
                    if (threadIdx.x == 0) copy_to_words(barrier, 16);
                    mbarrier_wait(barrier, 0);
                  }),
              "no proxy fence for shared memory");
}

TEST_F(Memory, CpAsyncIsWaitedForByItsThreadAndThenByABarrier) {
  const auto kernel = [](bool wait, bool barrier) {
    return run(64, [=] {
      cp_async_16(shared_address(words() + 4 * threadIdx.x), g_source + 4 * threadIdx.x);
      cp_async_commit();
      if (wait) cp_async_wait<0>();
      if (barrier) __syncthreads();
      volatile uint32_t word = words()[4 * (63 - threadIdx.x)];
      (void)word;
      cp_async_wait<0>();
    });
  };
  EXPECT_EQ(kernel(true, true), "");
  EXPECT_SAYS(kernel(false, true), "cp.async writes it");
  EXPECT_SAYS(kernel(true, false), "no barrier is between them");
}

TEST_F(Memory, CpAsyncThatAnMbarrierCountsIsWaitedForThereAndBeforeItsThreadEnds) {
  const auto kernel = [](bool drain) {
    return run(64, [=] {
      const uint32_t barrier = barrier_for(32);
      if (threadIdx.x < 32) {
        cp_async_16(shared_address(words() + 4 * threadIdx.x), g_source);
        cp_async_mbarrier_arrive(barrier);
        if (!drain) return;
        cp_async_commit();
        cp_async_wait<0>();
      } else {
        mbarrier_wait(barrier, 0);
        volatile uint32_t word = words()[threadIdx.x];
        (void)word;
      }
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "ends while its cp.async are in flight");
}

TEST_F(Memory, AnMbarrierCountsAllCpAsyncThatItsThreadHasIssued) {
  // Threads of warp 0 issue two groups and a copy of no group; `arrivals`: how often each says that
  // the mbarrier counts them.
  const auto kernel = [](int arrivals) {
    return run(64, [=] {
      const uint32_t barrier = barrier_for(32 * std::max(arrivals, 1));
      if (threadIdx.x < 32) {
        for (uint32_t i = 0; i < 3; ++i) {
          cp_async_16(shared_address(words() + 128 * i + 4 * threadIdx.x),
                      g_counted + 128 * i + 4 * threadIdx.x);
          if (i < 2) cp_async_commit();
        }
        for (int i = 0; i < arrivals; ++i) cp_async_mbarrier_arrive(barrier);
        if (arrivals == 0) mbarrier_arrive(barrier);
        __syncthreads();
        cp_async_commit();
        cp_async_wait<0>();
      } else {
        mbarrier_wait(barrier, 0);
        for (uint32_t i = threadIdx.x - 32; i < 384; i += 32)
          if (words()[i] != i + 1) __trap();
        __syncthreads();
      }
    });
  };
  std::iota(std::begin(g_counted), std::end(g_counted), 1u);
  EXPECT_EQ(kernel(1), "");
  EXPECT_EQ(kernel(2), "");
  EXPECT_SAYS(kernel(0), "cp.async writes it and has not been waited for");
}

TEST_F(Memory, CpAsyncWaitsForTheLoadsBeforeIt) {
  const auto kernel = [](bool barrier) {
    return run(64, [=] {
      volatile uint32_t word = words()[4 * (63 - threadIdx.x)];
      (void)word;
      if (barrier) __syncthreads();
      cp_async_16(shared_address(words() + 4 * threadIdx.x), g_source);
      cp_async_commit();
      cp_async_wait<0>();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "no barrier is between them");
}

TEST_F(Memory, AStoreWaitsForTheCopyToTheSamePlace) {
  const auto kernel = [](bool wait) {
    return run(32, [=] {
      const uint32_t barrier = barrier_for(1);
      if (threadIdx.x == 0) copy_to_words(barrier, 128);
      __syncwarp();
      if (wait) mbarrier_wait(barrier, 0);
      words()[threadIdx.x] = 1;
      if (!wait) mbarrier_wait(barrier, 0);
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "its mbarrier has not been waited for");
}

// --- wgmma

struct Stage {
  uint32_t data, full, empty;  // an operand [64][64], and the barriers of its stage
  EMBER_DEVICE uint64_t operand() const { return wgmma_descriptor<64>(data); }
};

// The stage times itself, fenced and committed.
void square(const Stage& stage, float* d) {
  wgmma_fence();
  wgmma_ss<__half, 64>(d, stage.operand(), stage.operand(), 0);
  wgmma_commit();
}

// One warpgroup computes; thread 128 has the stage filled as often as `copies` says. `arrivals`: of
// those who release it.
std::string on_stage(int copies, int arrivals, const std::function<void(const Stage&)>& compute) {
  emu::configure({.seed = 3});
  return error_of([&] {
    emu::run({.grid = dim3(1), .threads = 160, .shared_bytes = 16384}, [&] {
      EMBER_DYNAMIC_SHARED(memory);
      const uint32_t at = shared_address(memory);
      const Stage stage{at, at + 8192, at + 8200};
      if (threadIdx.x == 128) {
        mbarrier_init(stage.full, 1);
        mbarrier_init(stage.empty, arrivals);
        fence_barrier_init();
      }
      __syncthreads();
      if (threadIdx.x < 128) return compute(stage);
      for (int i = 0; threadIdx.x == 128 && i < copies; ++i) {
        mbarrier_wait(stage.empty, (i & 1) ^ 1);
        mbarrier_arrive_expect(stage.full, 8192);
        bulk_load(stage.data, g_source, 4096, stage.full, 0);
        bulk_load(stage.data + 4096, g_source, 4096, stage.full, 0);
      }
    });
  });
}

// What a careful kernel does with one stage; each step may be left out.
struct Steps {
  bool wait_full = true, fence = true, touch = false, wait = true;
};
std::string product(const Steps& steps) {
  return on_stage(1, 4, [&](const Stage& stage) {
    float d[32];
    if (steps.wait_full) mbarrier_wait(stage.full, 0);
    if (steps.fence) wgmma_fence();
    if (steps.touch)
      for (float& v : d) v = 0;
    wgmma_ss<__half, 64>(d, stage.operand(), stage.operand(), steps.touch);
    wgmma_commit();
    if (steps.wait) wgmma_wait<0>();
    for (float& v : d) v += 1;
    wgmma_wait<0>();
  });
}

TEST_F(Memory, ProductsAreFencedAndWaitedFor) {
  EXPECT_EQ(product({}), "");
  EXPECT_SAYS(product({.wait_full = false}), "has not been waited for");
  EXPECT_SAYS(product({.fence = false}), "without a wgmma_fence");
  EXPECT_SAYS(product({.touch = true}), "touched after the last wgmma_fence");
  EXPECT_SAYS(product({.wait = false}), "registers are touched while wgmma uses them");
}

TEST_F(Memory, AWaitCoversTheGroupsBeforeThoseThatItLeavesInFlight) {
  const auto two_groups = [](bool touch_second) {
    return on_stage(1, 4, [=](const Stage& stage) {
      float first[32], second[32];
      mbarrier_wait(stage.full, 0);
      square(stage, first);
      wgmma_ss<__half, 64>(second, stage.operand(), stage.operand(), 0);
      wgmma_commit();
      wgmma_wait<1>();
      (touch_second ? second : first)[0] += 1;
      wgmma_wait<0>();
    });
  };
  EXPECT_EQ(two_groups(false), "");
  EXPECT_SAYS(two_groups(true), "registers are touched while wgmma uses them");
}

TEST_F(Memory, AProductsLeftOperandStaysInItsRegisters) {
  const auto kernel = [](bool wait) {
    return on_stage(1, 4, [=](const Stage& stage) {
      float d[32];
      uint32_t p[4] = {1, 2, 3, 4};
      mbarrier_wait(stage.full, 0);
      wgmma_fence();
      wgmma_rs_transposed<__half, 64>(d, p, stage.operand(), 0);
      wgmma_commit();
      if (wait) wgmma_wait<0>();
      p[2] = 7;
      wgmma_wait<0>();
      if (p[2] != 7) __trap();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "registers are touched while wgmma uses them");
}

TEST_F(Memory, EachWarpReleasesWhatItsPartOfAProductReads) {
  // `warps` of the warpgroup's four say that they are done.
  const auto kernel = [](int warps) {
    return on_stage(2, warps, [=](const Stage& stage) {
      float d[32];
      for (int i = 0; i < 2; ++i) {
        mbarrier_wait(stage.full, i);
        square(stage, d);
        wgmma_wait<0>();
        if (threadIdx.x % 32 == 0 && static_cast<int>(threadIdx.x) / 32 < warps)
          mbarrier_arrive(stage.empty);
      }
    });
  };
  EXPECT_EQ(kernel(4), "");
  EXPECT_SAYS(kernel(1), "wgmma reads it and has not been waited for");
}

TEST_F(Memory, ProductsDoNotSeeOrdinaryStores) {
  const auto kernel = [](bool fence) {
    return run(128, [=] {
      const Stage stage{shared_address(words()), 0, 0};
      for (uint32_t i = threadIdx.x; i < 2048; i += 128) words()[i] = 0;
      if (fence) fence_proxy_async();  // that of global memory
      __syncthreads();
      float d[32];
      square(stage, d);
      wgmma_wait<0>();
    });
  };
  EXPECT_SAYS(kernel(false), "no proxy fence for shared memory");
  EXPECT_SAYS(kernel(true), "no proxy fence for shared memory");
}

TEST_F(Memory, AStoreWaitsForTheProductsThatRead) {
  const auto kernel = [](bool wait) {
    return on_stage(1, 4, [=](const Stage& stage) {
      float d[32];
      mbarrier_wait(stage.full, 0);
      square(stage, d);
      if (wait) wgmma_wait<0>();
      named_barrier_sync(1, 128);
      words()[threadIdx.x] = 0;
      wgmma_wait<0>();
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "wgmma reads it and has not been waited for");
}

TEST_F(Memory, WhatTheMachineDoesInAKernelIsNotLookedAt) {
  const auto kernel = [](bool by_machine) {
    return run(64, [=] {
      if (by_machine) {
        const emu::Unwatched machine;
        {
          const emu::Unwatched again;
        }
        words()[0] = threadIdx.x;
      } else {
        words()[0] = threadIdx.x;
      }
    });
  };
  EXPECT_EQ(kernel(true), "");
  EXPECT_SAYS(kernel(false), "no barrier is between them");
}

TEST_F(Memory, WhatIsLookedAtCanBeTurnedOff) {
  emu::configure({.seed = 3, .ordered = false});
  EXPECT_EQ(error_of([] {
              emu::run({.grid = dim3(1), .threads = 64, .shared_bytes = 1024}, [] {
                words()[threadIdx.x] = threadIdx.x;
                volatile uint32_t word = words()[63 - threadIdx.x];
                (void)word;
              });
            }),
            "");
}

}  // namespace
}  // namespace ember::kernels
