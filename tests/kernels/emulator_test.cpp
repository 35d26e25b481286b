// SPDX-License-Identifier: Apache-2.0
// The emulated machine itself: it runs kernels right, notices their mistakes, and the kernels'
// tests notice mistakes that it makes for them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <set>

#include "kernels/common/launch.h"
#include "kernels/common/tensor_map.h"
#include "kernels/common/wgmma.cuh"
#include "kernels/noticed.h"

namespace ember::kernels {
namespace {

void run_cta(int threads, size_t shared_bytes, const std::function<void()>& body) {
  emu::run({.grid = dim3(1), .threads = threads, .shared_bytes = shared_bytes}, body);
}

class Emulator : public testing::Test {
 protected:
  void SetUp() override { emu::configure({.seed = 5, .stall = 8}); }
};

TEST_F(Emulator, EveryThreadOfEveryBlockRunsOnce) {
  std::vector<int> ran(3 * 2 * 70);
  emu::run({.grid = dim3(3, 2), .threads = 70},
           [&] { ++ran[(blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x]; });
  EXPECT_EQ(ran, std::vector<int>(ran.size(), 1));
}

TEST_F(Emulator, ShufflesAndVotes) {
  run_cta(64, 0, [] {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (__shfl_xor_sync(~0u, lane, 5) != (lane ^ 5)) __trap();
    if (__shfl_up_sync(~0u, lane, 3u) != (lane < 3 ? lane : lane - 3)) __trap();
    if (__shfl_down_sync(~0u, lane, 3u) != (lane > 28 ? lane : lane + 3)) __trap();
    if (__shfl_sync(~0u, lane, 9) != 9) __trap();
    if (__shfl_sync(~0u, lane, 31 - lane) != 31 - lane) __trap();
    if (__ballot_sync(~0u, lane == 4) != 16u) __trap();
    if (__syncthreads_count(threadIdx.x < 40) != 40 || __syncthreads_or(threadIdx.x == 63) != 1 ||
        __syncthreads_and(threadIdx.x != 63) != 0)
      __trap();
  });
}

TEST_F(Emulator, ThreadsThatHaveEndedAreNotWaitedFor) {
  run_cta(64, 0, [] {
    if (threadIdx.x >= 32) return;
    __syncthreads();
  });
}

TEST_F(Emulator, MovmatrixTransposesAndMmaMultiplies) {
  std::vector<uint32_t> out(32);
  run_cta(32, 0, [&] {
    const uint32_t row = threadIdx.x / 4, column = threadIdx.x % 4 * 2;
    out[threadIdx.x] = movmatrix_trans((row * 8 + column) | (row * 8 + column + 1) << 16);
  });
  for (uint32_t l = 0; l < 32; ++l) {
    const uint32_t row = l / 4, column = l % 4 * 2;
    EXPECT_EQ(out[l], (column * 8 + row) | ((column + 1) * 8 + row) << 16);
  }
}

TEST_F(Emulator, ADeadlockSaysWhereEverybodyWaits) {
  const std::string error = error_of([] {
    run_cta(64, 64, [] {
      EMBER_DYNAMIC_SHARED(memory);
      if (threadIdx.x == 0) mbarrier_init(shared_address(memory), 1);
      __syncthreads();
      if (threadIdx.x < 32)
        mbarrier_wait(shared_address(memory), 0);
      else
        named_barrier_sync(3, 64);
    });
  });
  EXPECT_SAYS(error, "cta0.warp0@mbarrier");
  EXPECT_SAYS(error, "cta0.warp1@named barrier");
}

TEST_F(Emulator, MistakesAreErrors) {
  const auto error = [](int threads, size_t shared, const std::function<void()>& body) {
    return error_of([&] { run_cta(threads, shared, body); });
  };
  EXPECT_SAYS(error(32, 16,
                    [] {
                      EMBER_DYNAMIC_SHARED(memory);
                      if (threadIdx.x == 0) memory[16] = 1;
                    }),
              "write beyond the 16 bytes");
  EXPECT_SAYS(error(32, 64,
                    [] {
                      EMBER_DYNAMIC_SHARED(memory);
                      const uint32_t barrier = shared_address(memory);
                      if (threadIdx.x == 0) {
                        mbarrier_init(barrier, 1);
                        mbarrier_arrive_expect(barrier, 16);
                        mbarrier_arrive(barrier);
                      }
                    }),
              "more arrivals on an mbarrier than it expects");
  EXPECT_SAYS(error(32, 64, [] { mbarrier_arrive(0); }), "never initialised");
  EXPECT_SAYS(error(32, 64, [] { cp_async_16(8, nullptr); }), "cp.async alignment");
  EXPECT_SAYS(error(64, 0, [] { named_barrier_sync(1, threadIdx.x < 32 ? 32 : 64); }),
              "threads disagree about the size of barrier 1");
  EXPECT_SAYS(error(32, 0,
                    [] {
                      if (threadIdx.x < 16)
                        __syncwarp();
                      else
                        movmatrix_trans(0);
                    }),
              "diverged: __syncwarp and movmatrix");
  EXPECT_SAYS(error(32, 300 * 1024, [] {}), "more than a CTA may have");
}

TEST_F(Emulator, WhatIsInFlightAtTheEndOfAKernelIsAnError) {
  alignas(16) static const uint32_t source[4] = {};
  // As long as the copy does not land before the thread ends, which is up to the seed.
  std::string copy;
  for (uint64_t seed = 1; seed <= 20 && copy.empty(); ++seed) {
    emu::configure({.seed = seed});
    copy = error_of([] {
      run_cta(32, 64, [] {
        EMBER_DYNAMIC_SHARED(memory);
        if (threadIdx.x != 0) return;
        mbarrier_init(shared_address(memory), 1);
        fence_barrier_init();
        mbarrier_arrive_expect(shared_address(memory), 16);
        bulk_load(shared_address(memory + 16), source, 16, shared_address(memory), 0);
      });
    });
  }
  EXPECT_SAYS(copy, "an asynchronous copy is in flight at the end of the kernel");
  emu::configure({.ordered = false});
  EXPECT_SAYS(error_of([] {
                run_cta(128, 8192, [] {
                  float d[32];
                  const uint64_t operand = wgmma_descriptor<64>(0);
                  wgmma_ss<__half, 64>(d, operand, operand, 0);
                  wgmma_commit();
                });
              }),
              "wgmma in flight at the end of the kernel");
}

TEST_F(Emulator, CopiesLandLateAndInAnyOrder) {
  using Landed = std::pair<bool, bool>;
  const std::set<Landed> all = {{false, false}, {false, true}, {true, false}, {true, true}};
  alignas(16) static const uint32_t source[4] = {7, 7, 7, 7};
  std::set<Landed> bulk, by_thread;  // which of two copies have landed before they are waited for
  for (uint64_t seed = 0; seed < 40; ++seed) {
    emu::configure({.seed = seed});
    run_cta(32, 64, [&] {
      EMBER_DYNAMIC_SHARED(memory);
      const uint32_t barrier = shared_address(memory);
      const auto landed = [&] {  // this source is not looked at
        const auto* const words = reinterpret_cast<volatile uint32_t*>(memory + 16);
        return Landed(words[0] == 7, words[4] == 7);
      };
      if (threadIdx.x == 0) {
        mbarrier_init(barrier, 1);
        fence_barrier_init();
        mbarrier_arrive_expect(barrier, 32);
        for (int i = 1; i <= 2; ++i) bulk_load(barrier + 16 * i, source, 16, barrier, 0);
      }
      __syncwarp();
      __syncwarp();
      if (threadIdx.x == 31) bulk.insert(landed());
      mbarrier_wait(barrier, 0);
      if (landed() != Landed(true, true)) __trap();
    });
    run_cta(32, 64, [&] {
      EMBER_DYNAMIC_SHARED(memory);
      if (threadIdx.x != 0) return;
      for (int i = 1; i <= 2; ++i) {
        cp_async_16(shared_address(memory + 16 * i), source);
        cp_async_commit();
      }
      const auto* const words = reinterpret_cast<volatile uint32_t*>(memory + 16);
      by_thread.emplace(words[0] == 7, words[4] == 7);
      cp_async_wait<0>();
      if (words[0] != 7 || words[4] != 7) __trap();
    });
  }
  EXPECT_EQ(bulk, all);
  EXPECT_EQ(by_thread, all);
}

TEST_F(Emulator, ProductsExecuteWhenAWaitForcesThemOrEarlier) {
  std::set<bool> executed;  // before the wait
  for (uint64_t seed = 0; seed < 20; ++seed) {
    emu::configure({.seed = seed, .ordered = false});
    run_cta(128, 8192, [&] {
      EMBER_DYNAMIC_SHARED(memory);
      for (int i = static_cast<int>(threadIdx.x); i < 4096; i += 128)
        reinterpret_cast<uint16_t*>(memory)[i] = 0x3c00;  // 1
      __syncthreads();
      float d[32] = {};
      const uint64_t operand = wgmma_descriptor<64>(shared_address(memory));
      wgmma_ss<__half, 64>(d, operand, operand, 0);
      wgmma_commit();
      if (threadIdx.x == 0) executed.insert(d[0] == 16);
      wgmma_wait<0>();
      if (d[0] != 16 || d[31] != 16) __trap();
    });
  }
  EXPECT_EQ(executed.size(), 2u);
}

// The order in which two warps of each CTA pass through four rounds.
std::vector<unsigned> rounds(const emu::Options& options) {
  emu::configure(options);
  std::vector<unsigned> order;
  emu::run({.grid = dim3(3), .threads = 64}, [&] {
    for (int round = 0; round < 4; ++round) {
      if (threadIdx.x % 32 == 0) order.push_back(blockIdx.x * 2 + threadIdx.x / 32);
      __syncwarp();
    }
  });
  return order;
}

TEST_F(Emulator, TheSeedAloneDecidesTheOrderOfCtasAndWarps) {
  std::set<unsigned> first_ctas;
  std::set<std::vector<unsigned>> orders;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<unsigned> order = rounds({.seed = seed, .stall = 4});
    EXPECT_EQ(order, rounds({.seed = seed, .stall = 4})) << "seed " << seed;
    first_ctas.insert(order.front() / 2);
    orders.insert(order);
  }
  EXPECT_EQ(first_ctas.size(), 3u);
  EXPECT_GT(orders.size(), 10u);
}

TEST_F(Emulator, AStalledWarpFallsBehindByMoreThanARound) {
  const auto largest_lead = [](int stall) {
    int largest = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      int lead[3] = {};  // of warp 1, in each CTA
      for (const unsigned warp : rounds({.seed = seed, .stall = stall}))
        largest = std::max(largest, std::abs(lead[warp / 2] += warp % 2 == 1 ? 1 : -1));
    }
    return largest;
  };
  EXPECT_EQ(largest_lead(0), 1);
  EXPECT_GT(largest_lead(4), 1);
}

TEST(Noticed, SaysDemandsWordsOfWhatWasNoticed) {
  EXPECT_TRUE(says("a deadlock: cta0", "deadlock"));
  EXPECT_FALSE(says("a deadlock: cta0", "alignment"));
  EXPECT_FALSE(says("", "deadlock"));
  EXPECT_FALSE(says("a deadlock: cta0", ""));
}

TEST_F(Emulator, TensorMapsFillWithZerosAndSwizzle) {
  std::vector<uint16_t> tensor(5 * 72);
  std::iota(tensor.begin(), tensor.end(), uint16_t{1});
  const CUtensorMap map = make_tensor_map(
      tensor.data(), {.rank = 2, .dims = {70, 5}, .strides = {144}, .box = {64, 8}});
  run_cta(32, 2048, [&] {
    EMBER_DYNAMIC_SHARED(memory);
    const uint32_t barrier = shared_address(memory + 1024);
    if (threadIdx.x == 0) {
      mbarrier_init(barrier, 1);
      fence_barrier_init();
      mbarrier_arrive_expect(barrier, 1024);
      tma_load_2d(shared_address(memory), &map, 64, 1, barrier, 0);
    }
    __syncthreads();
    mbarrier_wait(barrier, 0);
    if (threadIdx.x != 0) return;
    const auto* image = reinterpret_cast<const uint16_t*>(memory);
    for (int row = 0; row < 8; ++row) {
      for (int column = 0; column < 64; ++column) {
        const int expected = row < 4 && column < 6 ? (row + 1) * 72 + 64 + column + 1 : 0;
        if (image[image_offset<64>(row, column)] != expected)
          emu::fail("row " + std::to_string(row) + " column " + std::to_string(column));
      }
    }
  });
}

// --- mistakes that the machine makes on a kernel's behalf
// ------------------------------------------------------------------------------

using emu::Fault;

struct Mutation {
  const char* name;
  Fault fault;
  std::string (*run)(unsigned seed);  // empty, or what was noticed
};

const Mutation kMutations[] = {
    {"gemm_swizzle", Fault::kWrongSwizzle, gemm_hopper},
    {"prefill_swizzle", Fault::kWrongSwizzle, prefill_hopper},
    {"prefill_leading", Fault::kWrongLeading, prefill_hopper},
    {"gemm_zero_fill", Fault::kNoZeroFill, gemm_hopper},
    {"gemm_lost_arrival", Fault::kLostArrival, gemm_cluster},
    {"decode_lost_arrival", Fault::kLostArrival, decode_hopper},
    {"prefill_lost_arrival", Fault::kLostArrival, prefill_hopper},
    {"plan_early_trigger", Fault::kEarlyTrigger, decode_hopper},
};

class Mutations : public testing::TestWithParam<Mutation> {};
INSTANTIATE_TEST_SUITE_P(, Mutations, testing::ValuesIn(kMutations),
                         [](const auto& i) { return i.param.name; });

TEST_P(Mutations, IsNoticed) {
  const Mutation& m = GetParam();
  for (unsigned seed = 1; seed <= 5; ++seed) {
    emu::configure({.seed = seed, .stall = 16});
    EXPECT_EQ(m.run(seed), "") << "without the mistake, seed " << seed;
    emu::configure({.seed = seed, .stall = 16, .fault = m.fault});
    const std::string noticed = m.run(seed);
    if (!noticed.empty()) return;
  }
  FAIL() << "five seeds have noticed nothing";
}

}  // namespace
}  // namespace ember::kernels
