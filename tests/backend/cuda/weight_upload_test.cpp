// SPDX-License-Identifier: Apache-2.0
#include "cuda/weight_upload.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <thread>

#include "ember/base/clock.h"
#include "ember/base/mutex.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

class CudaWeightUpload : public testing::Test {
 protected:
  void SetUp() override { fake_cuda::set_delays(300, 3); }
  void TearDown() override { fake_cuda::set_delays(0, 0); }
};

TEST_F(CudaWeightUpload, RowsAreCopiedAndPaddedWhateverTheBuffersSize) {
  for (const size_t chunk : {1, 10, 37, 4096}) {
    Arena arena(0);
    arena.reserve(1024);
    auto* const to = static_cast<uint8_t*>(arena.take(50 * 10));
    WeightUpload upload(chunk);
    std::vector<uint8_t> source(50 * 7);
    std::iota(source.begin(), source.end(), uint8_t{1});
    const std::vector<uint8_t> expected = source;
    upload.rows(to, 50, 10, 7, [&](int64_t r) { return source.data() + (49 - r) * 7; });
    std::fill(source.begin(), source.end(), uint8_t{0});  // may be reused at once
    upload.wait();
    for (size_t r = 0; r < 50; ++r)
      for (size_t i = 0; i < 10; ++i)
        ASSERT_EQ(to[r * 10 + i], i < 7 ? expected[(49 - r) * 7 + i] : 0)
            << chunk << " " << r << " " << i;
  }
}

// Each waits for another one to come.
TEST_F(CudaWeightUpload, SeveralThreadsReadAtOnce) {
  Arena arena(0);
  arena.reserve(4096);
  auto* const to = static_cast<uint8_t*>(arena.take(64 * 8));
  WeightUpload upload(64 * 8, 3);
  std::vector<uint8_t> source(64 * 8);
  std::iota(source.begin(), source.end(), uint8_t{0});
  Mutex mu;
  CondVar cv;
  std::set<std::thread::id> threads;
  const TimePoint until = Clock::now() + std::chrono::seconds(60);
  upload.rows(to, 64, 8, 8, [&](int64_t r) {
    MutexLock lock(mu);
    threads.insert(std::this_thread::get_id());
    cv.notify_all();
    while (threads.size() < 2 && Clock::now() < until)
      cv.wait_for(mu, std::chrono::milliseconds(100));
    return source.data() + r * 8;
  });
  upload.wait();
  EXPECT_GE(threads.size(), 2u);
  EXPECT_EQ(std::vector<uint8_t>(to, to + source.size()), source);
}

TEST_F(CudaWeightUpload, BytesInManyChunks) {
  Arena arena(0);
  arena.reserve(1024);
  auto* const to = static_cast<uint8_t*>(arena.take(1000));
  WeightUpload upload(64);
  std::vector<uint8_t> source(1000);
  std::iota(source.begin(), source.end(), uint8_t{0});
  upload.bytes(to, source.data(), source.size());
  upload.release();
  EXPECT_EQ(std::vector<uint8_t>(to, to + 1000), source);
}

// As when loading fails: what is on its way still reads the buffers.
TEST_F(CudaWeightUpload, EndsItsCopiesBeforeItFreesTheirBuffers) {
  Arena arena(0);
  arena.reserve(1024);
  auto* const to = static_cast<uint8_t*>(arena.take(1000));
  std::vector<uint8_t> source(1000);
  std::iota(source.begin(), source.end(), uint8_t{0});
  WeightUpload(1000).bytes(to, source.data(), source.size());
  EXPECT_EQ(std::vector<uint8_t>(to, to + 1000), source);
}

}  // namespace
}  // namespace ember::cuda
