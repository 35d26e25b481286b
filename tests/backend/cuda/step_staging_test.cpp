// SPDX-License-Identifier: Apache-2.0
#include "cuda/step_staging.h"

#include <gtest/gtest.h>

#include "fake_runtime.h"

namespace ember::cuda {
namespace {

TEST(CudaStepStaging, KeepsWhatTwoStepsWriteAndRefusesMore) {
  fake_cuda::set_delays(1000, 5);
  Stream stream;
  StepStaging staging(16);
  std::vector<int> device(12);
  for (int step = 0; step < 3; ++step) {
    int values[4] = {step, 10 + step, 20 + step, 30 + step};
    EXPECT_TRUE(staging.write(device.data() + step * 4, values, 8, stream));
    EXPECT_TRUE(staging.write(device.data() + step * 4 + 2, values + 2, 8, stream));
    values[0] = -1;  // may be reused at once
    EXPECT_FALSE(staging.write(device.data(), values, 1, stream));
    if (step == 1)
      stream.wait();  // as the engine waits for the first step before it launches the third
    staging.next_step();
  }
  stream.wait();
  EXPECT_EQ(device, (std::vector<int>{0, 10, 20, 30, 1, 11, 21, 31, 2, 12, 22, 32}));
  fake_cuda::set_delays(0, 0);
}

TEST(CudaStepStaging, CopiesTheBeginningsOfRows) {
  Stream stream;
  StepStaging staging(20);
  const std::vector<int> host = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<int> device(9);
  const uint64_t before = fake_cuda::stats().copied_bytes;
  EXPECT_TRUE(staging.write_rows(device.data(), host.data(), 12, 8, 2, stream));
  EXPECT_FALSE(staging.write_rows(device.data(), host.data(), 12, 8, 1, stream)) << "4 bytes left";
  stream.wait();
  EXPECT_EQ(device, (std::vector<int>{1, 2, 0, 4, 5, 0, 0, 0, 0}));
  EXPECT_EQ(fake_cuda::stats().copied_bytes - before, 16u);
}

}  // namespace
}  // namespace ember::cuda
