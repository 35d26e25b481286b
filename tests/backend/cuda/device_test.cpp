// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.h"

#include <gmock/gmock.h>

#include "ember/base/start_error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

using testing::HasSubstr;

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
  EXPECT_EQ(info.bus_id, "0000:1B:00.0");
  EXPECT_EQ(info.sm, 90);
  EXPECT_EQ(info.num_sms, 4);
  EXPECT_EQ(info.version, "13.0 (driver 13.0)");
}

TEST(CudaDevice, AnIntegratedGpuHasTheHostsMemory) {
  fake_cuda::set_device({.integrated = true});
  EXPECT_TRUE(open_device(0).integrated);
  fake_cuda::set_device({});
  EXPECT_FALSE(open_device(0).integrated);
}

TEST(CudaDevice, SaysWhatIsKnownOfTheCause) {
  const auto refusal_of = [](cudaError_t status) { return refusal({.status = status}); };
  EXPECT_THAT(refusal_of(cudaErrorSystemNotReady), HasSubstr("fabric manager"));
  EXPECT_THAT(refusal_of(cudaErrorSystemDriverMismatch), HasSubstr("different versions"));
  EXPECT_THAT(refusal_of(cudaErrorCompatNotSupportedOnDevice), HasSubstr("cuda-compat"));
  EXPECT_THAT(refusal_of(cudaErrorDevicesUnavailable), HasSubstr("exclusive compute mode"));
}

TEST(CudaDevice, RefusesWhatIsMissingOrTooOld) {
  EXPECT_EQ(refusal({.count = 0}),
            "--device cuda: the NVIDIA driver finds no usable GPU (cudaErrorNoDevice, "
            "cudaErrorNoDevice): look at CUDA_VISIBLE_DEVICES, and at what nvidia-smi -L lists");
  EXPECT_EQ(refusal({.driver = 12020}),
            "--device cuda: the NVIDIA driver is for CUDA 12.2, 12.3 is the least");
  EXPECT_EQ(refusal({.driver = 11080}),
            "--device cuda: the NVIDIA driver is for CUDA 11.8, 12.3 is the least");
  EXPECT_EQ(refusal({.driver = 12030}), "opened");
  EXPECT_EQ(refusal({.driver = 12040}), "opened");
  EXPECT_EQ(refusal({.major = 7, .minor = 5}),
            "--device cuda: emulated GPU has compute capability 7.5, 8.0 is the least");
  EXPECT_EQ(refusal({}, 1), "--device cuda: there is no GPU 1, there are 1");
}

}  // namespace
}  // namespace ember::cuda
