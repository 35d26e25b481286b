// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "cuda/error.h"
#include "ember/base/start_error.h"

namespace ember::cuda {

namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

[[noreturn]] void refuse(const std::string& why) {
  throw StartError(ExitCode::kNoDevice, "--device cuda: " + why);
}

}  // namespace

DeviceInfo open_device(int index) {
  int count = 0, driver = 0, runtime = 0;
  before_call("cudaGetDeviceCount");
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaDriverGetVersion(&driver);  // 0 where there is none
  cudaRuntimeGetVersion(&runtime);
  if (status != cudaSuccess) cudaGetLastError();
  if (driver == 0) refuse("there is no NVIDIA driver");
  if (status == cudaErrorInsufficientDriver)
    refuse(fmt::format("the NVIDIA driver is for CUDA {}, this program needs {}",
                       version_text(driver), version_text(runtime)));
  if (status != cudaSuccess)
    refuse(fmt::format("the NVIDIA driver finds no usable GPU ({})", cudaGetErrorName(status)));
  if (index < 0 || index >= count)
    refuse(fmt::format("there is no GPU {}, there are {}", index, count));
  CUDA_CHECK(cudaSetDevice(index));
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
  if (properties.major < 8)
    refuse(fmt::format("{} has compute capability {}.{}, 8.0 is the least", properties.name,
                       properties.major, properties.minor));
  return {.name = properties.name,
          .sm = properties.major * 10 + properties.minor,
          .num_sms = properties.multiProcessorCount,
          .version = fmt::format("{} (driver {})", version_text(runtime), version_text(driver))};
}

}  // namespace ember::cuda
