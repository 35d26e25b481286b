// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "kernels/common/launch.h"
#include "kernels/emulator_stream.h"

namespace ember::kernels {
namespace {

__global__ void first_kernel(int* launched) { *launched += threadIdx.x == 0 ? 1 : 0; }
__global__ void second_kernel(int* launched) { *launched += threadIdx.x == 0 ? 10 : 0; }

uint64_t calls() { return fake_cuda::stats().num_attributes; }

TEST(KernelAttributes, AreSetOnceAndWhenMoreSharedMemoryIsNeeded) {
  KernelAttributes attributes;
  StreamRef stream = emulator_stream(90);
  stream.attributes = &attributes;
  int launched = 0;
  const auto run = [&](void (*kernel)(int*), size_t shared_bytes) {
    const uint64_t before = calls();
    launch(stream, {.threads = 32, .shared_bytes = shared_bytes}, kernel, &launched);
    return calls() - before;
  };
  EXPECT_EQ(run(first_kernel, 1000), 1u) << "how L1 and shared memory are divided";
  EXPECT_EQ(run(first_kernel, 1000), 0u);
  EXPECT_EQ(run(first_kernel, 60000), 1u);
  EXPECT_EQ(run(first_kernel, 60000), 0u);
  EXPECT_EQ(run(first_kernel, 50000), 0u);
  EXPECT_EQ(run(first_kernel, 70000), 1u);
  EXPECT_EQ(run(second_kernel, 60000), 2u);
  EXPECT_EQ(run(second_kernel, 60000), 0u);
  EXPECT_EQ(launched, 26);
  for (const auto kernel : {first_kernel, second_kernel})
    EXPECT_EQ(fake_cuda::attribute(reinterpret_cast<const void*>(kernel),
                                   cudaFuncAttributePreferredSharedMemoryCarveout),
              cudaSharedmemCarveoutMaxShared);
}

TEST(KernelAttributes, ShareOfL1IsThatOfTheLastToLaunch) {
  KernelAttributes drivers(cudaSharedmemCarveoutDefault);
  StreamRef stream = emulator_stream(90);
  int launched = 0;
  for (KernelAttributes* const attributes : {&drivers, static_cast<KernelAttributes*>(nullptr)}) {
    stream.attributes = attributes;
    launch(stream, {.threads = 32}, first_kernel, &launched);
    EXPECT_EQ(
        fake_cuda::attribute(reinterpret_cast<const void*>(first_kernel),
                             cudaFuncAttributePreferredSharedMemoryCarveout),
        attributes != nullptr ? cudaSharedmemCarveoutDefault : cudaSharedmemCarveoutMaxShared);
  }
}

TEST(KernelAttributes, WithoutThemEveryLaunchAsks) {
  int launched = 0;
  const uint64_t before = calls();
  for (int i = 0; i < 3; ++i)
    launch(emulator_stream(90), {.threads = 32, .shared_bytes = 60000}, first_kernel, &launched);
  EXPECT_EQ(launched, 3);
  EXPECT_EQ(calls() - before, 6u);
}

}  // namespace
}  // namespace ember::kernels
