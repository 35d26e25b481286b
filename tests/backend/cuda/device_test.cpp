// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.h"

#include <gtest/gtest.h>

#include "ember/base/start_error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

std::string refusal(const fake_cuda::Device& device, int index = 0) {
  fake_cuda::set_device(device);
  std::string why = "opened";
  try {
    open_device(index);
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    why = e.what();
  }
  fake_cuda::set_device({});
  return why;
}

TEST(CudaDevice, SaysWhatItFound) {
  const DeviceInfo info = open_device(0);
  EXPECT_EQ(info.sm, 90);
  EXPECT_EQ(info.num_sms, 4);
  EXPECT_EQ(info.version, "13.0 (driver 13.0)");
}

TEST(CudaDevice, RefusesWhatIsMissingOrTooOld) {
  EXPECT_EQ(refusal({.count = 0}),
            "--device cuda: the NVIDIA driver finds no usable GPU (cudaErrorNoDevice)");
  EXPECT_EQ(refusal({.major = 7, .minor = 5}),
            "--device cuda: emulated GPU has compute capability 7.5, 8.0 is the least");
  EXPECT_EQ(refusal({}, 1), "--device cuda: there is no GPU 1, there are 1");
}

}  // namespace
}  // namespace ember::cuda
