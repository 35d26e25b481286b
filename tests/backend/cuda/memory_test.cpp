// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory.h"

#include <gtest/gtest.h>

#include "ember/base/start_error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

TEST(CudaArena, GivesOutExactlyWhatWasReserved) {
  Arena arena(256);
  const size_t bytes = arena.rounded(1) + arena.rounded(256) + arena.rounded(1000);
  EXPECT_EQ(bytes, 512u + 512 + 1280);
  arena.reserve(bytes);
  auto* const a = static_cast<unsigned char*>(arena.take(1));
  auto* const b = static_cast<unsigned char*>(arena.take(256));
  auto* const c = static_cast<unsigned char*>(arena.take(1000));
  EXPECT_EQ(arena.used(), arena.reserved());
  for (const auto* memory : {a, b, c}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 256, 0u);
    EXPECT_EQ(memory[0], 0);
  }
  EXPECT_TRUE(arena.guards_intact());
  b[256] = 1;
  EXPECT_FALSE(arena.guards_intact());
  EXPECT_DEATH(arena.take(1), "are wanted, 0 of 2304 are left");
}

TEST(CudaArena, NothingIsTakenAfterSeal) {
  Arena arena(0);
  arena.reserve(1024);
  arena.seal();
  EXPECT_DEATH(arena.take(1), "after start-up");
}

TEST(CudaArena, MoreThanTheDeviceHasIsAnErrorThatSaysSo) {
  Arena arena(0);
  try {
    arena.reserve(size_t{1} << 50);
    FAIL();
  } catch (const StartError& e) {
    EXPECT_NE(std::string(e.what()).find("refused 1125899906842624 bytes"), std::string::npos)
        << e.what();
  }
}

TEST(FakeCuda, AWriteBesideAnAllocationIsNoticed) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 100), cudaSuccess);
  fake_cuda::check_guards();
  static_cast<char*>(memory)[100] = 0;
  EXPECT_DEATH(fake_cuda::check_guards(), "0 bytes after the end of an allocation of 100 bytes");
  static_cast<unsigned char*>(memory)[100] = 0xa5;
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

TEST(CudaStream, WorkIsDoneInOrderAndLater) {
  fake_cuda::set_delays(2000, 7);
  Stream a, b;
  Event event;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) fake_cuda::enqueue(a.get(), [&order, i] { order.push_back(i); });
  event.record(a);
  cudaEvent_t between = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&between, 0), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(between, a.get()), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(b.get(), between), cudaSuccess);
  fake_cuda::enqueue(b.get(), [&order] { order.push_back(5); });
  event.wait();
  b.wait();
  cudaEventDestroy(between);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  fake_cuda::set_delays(0, 0);
}

TEST(CudaPinnedBuffer, MovesAndIsFreedOnce) {
  PinnedBuffer a(100);
  const auto* data = a.data();
  PinnedBuffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.size(), 100u);
  EXPECT_EQ(a.data(), nullptr);
  b = PinnedBuffer();
  EXPECT_EQ(b.data(), nullptr);
}

}  // namespace
}  // namespace ember::cuda
