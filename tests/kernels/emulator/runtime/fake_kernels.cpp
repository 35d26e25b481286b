// SPDX-License-Identifier: Apache-2.0
// Launches of kernels, and what kernels were told before.
#include "fake_kernels.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "fake_device.h"

namespace fake_cuda {

namespace {

struct Told {
  std::mutex mu;
  std::map<std::pair<const void*, cudaFuncAttribute>, int> values;
  std::map<const void*, const char*> names;
};

Told& told() {
  static Told* const instance = new Told;  // never destroyed, as streams may be
  return *instance;
}

std::atomic<bool> nothing{false};
std::function<void(const Kernel&)> on_launch;

}  // namespace

bool does_nothing() { return nothing; }

void do_nothing(std::function<void(const Kernel&)> launched) {
  nothing = launched != nullptr;
  on_launch = std::move(launched);
}

cudaError_t launch(cudaStream_t stream, const Kernel& kernel, std::function<void()> work) {
  constexpr int kAlwaysThere = 48 << 10;
  const int allowed = attribute(kernel.function, cudaFuncAttributeMaxDynamicSharedMemorySize);
  if (kernel.shared_bytes > static_cast<size_t>(std::max(kAlwaysThere, allowed)))
    return cudaErrorInvalidValue;
  load_kernel(kernel.function);
  count(&Stats::num_launches);
  if (does_nothing() && !recording(stream)) on_launch(kernel);
  enqueue(stream, std::move(work));
  return cudaSuccess;
}

int attribute(const void* kernel, cudaFuncAttribute attribute) {
  const std::lock_guard lock(told().mu);
  const auto found = told().values.find({kernel, attribute});
  return found == told().values.end() ? 0 : found->second;
}

void set_name(const void* kernel, const char* name) {
  const std::lock_guard lock(told().mu);
  told().names[kernel] = name;
}

}  // namespace fake_cuda

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  fake_cuda::count(&fake_cuda::Stats::num_attributes);
  const std::lock_guard lock(fake_cuda::told().mu);
  fake_cuda::told().values[{function, attribute}] = value;
  return cudaSuccess;
}

cudaError_t cudaFuncGetName(const char** name, const void* function) {
  const std::lock_guard lock(fake_cuda::told().mu);
  const auto found = fake_cuda::told().names.find(function);
  *name = found == fake_cuda::told().names.end() ? "kernel" : found->second;
  return cudaSuccess;
}
