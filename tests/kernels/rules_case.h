// SPDX-License-Identifier: Apache-2.0
// Small kernels that keep the rules of kernels/README.md about the order of memory accesses, or
// break one. Sources with such kernels are compiled as the kernels' are.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kernels/common/launch.h"
#include "kernels/common/wgmma.cuh"
#include "kernels/noticed.h"

namespace ember::kernels {

class RulesTest : public testing::Test {
 protected:
  // Empty, or what the machine said of `kernel` on one CTA.
  static std::string run(int threads, const std::function<void()>& kernel) {
    return grid({.grid = dim3(1), .threads = threads, .shared_bytes = 8192}, kernel);
  }
  static std::string grid(const emu::Launch& launch, const std::function<void()>& kernel,
                          uint64_t seed = 3) {
    emu::configure({.seed = seed});
    return error_of([&] { emu::run(launch, kernel); });
  }
};

inline uint32_t* words() {
  EMBER_DYNAMIC_SHARED(memory);
  return reinterpret_cast<uint32_t*>(memory);
}
// An mbarrier behind 4 KiB of data, made by thread 0.
inline uint32_t barrier_for(int arrivals, bool fence = true, bool sync = true) {
  const uint32_t barrier = shared_address(words() + 1024);
  if (threadIdx.x == 0) {
    mbarrier_init(barrier, arrivals);
    if (fence) fence_barrier_init();
  }
  if (sync) __syncthreads();
  return barrier;
}

alignas(1024) inline uint32_t g_source[1024];

// The running thread has so many bytes copied to the first words, and the barrier count them.
inline void copy_to_words(uint32_t barrier, uint32_t bytes) {
  mbarrier_arrive_expect(barrier, bytes);
  bulk_load(shared_address(words()), g_source, bytes, barrier, 0);
}

}  // namespace ember::kernels
