// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>

#include "cuda/error.h"
#include "ember/base/log.h"
#include "ember/base/start_error.h"

namespace ember::cuda {

namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// Graphs with programmatic edges, and kernels that are loaded while one is recorded.
constexpr int kLeastDriver = 12030;

constexpr size_t kMiB = size_t{1} << 20, kLeastFreeBytes = 100 * kMiB;

// What to do about the errors that machines of data centres start with; empty: nothing is known.
std::string advice(cudaError_t status) {
  switch (status) {
    case cudaErrorSystemNotReady:  // 802
      return ": on a machine with NVSwitch the fabric manager must run (nvidia-fabricmanager)";
    case cudaErrorSystemDriverMismatch:  // 803
      return ": the driver's library and its kernel module have different versions; load the "
             "module again, or reboot";
    case cudaErrorCompatNotSupportedOnDevice:  // 804
      return ": a compatibility package (cuda-compat) is in the library path, and this GPU does "
             "not take it";
    case cudaErrorNoDevice:
      return ": look at CUDA_VISIBLE_DEVICES, and at what nvidia-smi -L lists";
    case cudaErrorDevicesUnavailable:  // 46
      return ": another process has the GPU for itself (exclusive compute mode), or it is a MIG "
             "parent without instances";
    default:
      return "";
  }
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
    refuse(fmt::format("the NVIDIA driver finds no usable GPU ({}, {}){}", cudaGetErrorName(status),
                       cudaGetErrorString(status), advice(status)));
  if (driver < kLeastDriver)
    refuse(fmt::format("the NVIDIA driver is for CUDA {}, {} is the least", version_text(driver),
                       version_text(kLeastDriver)));
  if (index < 0 || index >= count)
    refuse(fmt::format("there is no GPU {}, there are {}", index, count));
  before_call("cudaSetDevice");
  if (const cudaError_t set = cudaSetDevice(index); set == cudaErrorDevicesUnavailable)
    refuse(fmt::format("GPU {} cannot be used{}", index, advice(set)));
  else
    after_call(set, "cudaSetDevice");
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
  if (properties.major < 8)
    refuse(fmt::format("{} has compute capability {}.{}, 8.0 is the least", properties.name,
                       properties.major, properties.minor));
  char bus_id[32] = "";
  CUDA_CHECK(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, index));
  return {.name = properties.name,
          .bus_id = bus_id,
          .sm = properties.major * 10 + properties.minor,
          .num_sms = properties.multiProcessorCount,
          .shared_per_sm = properties.sharedMemPerMultiprocessor,
          .integrated = properties.integrated != 0,
          .version = fmt::format("{} (driver {})", version_text(runtime), version_text(driver))};
}

void check_free_memory(size_t before_bytes, size_t after_bytes) {
  if (after_bytes < kLeastFreeBytes)
    throw StartError(
        ExitCode::kNoDevice,
        fmt::format("{} MiB of the GPU's memory are free after start-up, {} must be: lower "
                    "--gpu-memory-utilization or --kv-cache-memory-bytes",
                    after_bytes / kMiB, kLeastFreeBytes / kMiB));
  spdlog::info("{} MiB of the GPU's memory were taken for kernels and graphs, {} MiB are free",
               (before_bytes - std::min(before_bytes, after_bytes)) / kMiB, after_bytes / kMiB);
}

}  // namespace ember::cuda
