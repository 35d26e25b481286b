// SPDX-License-Identifier: Apache-2.0
#include "cuda/weight_upload.h"

#include <gtest/gtest.h>

#include <numeric>

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
