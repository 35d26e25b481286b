// SPDX-License-Identifier: Apache-2.0
#include "cuda/error.h"

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <string_view>

#include "ember/backend/cuda/cuda_backend.h"
#include "ember/base/device_error.h"
#include "kernels/common.h"

namespace ember::cuda {

namespace {

std::atomic<uint64_t> calls{0}, failing_call{0};
std::atomic<const char*> last{""};  // texts of the program, or of the library that names kernels

std::string function_of(std::string_view call) {
  return std::string(call.substr(0, call.find('(')));
}

[[noreturn]] void fail(std::string_view call, cudaError_t status, const char* name,
                       const char* text) {
  const std::string function = function_of(call);
  throw DeviceError(function, status,
                    fmt::format("CUDA: {} failed: {} ({})", function, name, text));
}

}  // namespace

void before_call(const char* call) {
  last.store(call, std::memory_order_relaxed);
  const uint64_t failing = failing_call.load();
  if (const uint64_t number = ++calls; failing != 0 && number >= failing)
    fail(call, cudaErrorUnknown, "injected", "the device was made to fail");
}

void after_call(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that an error that is not sticky is not found again by the next call
  fail(call, status, cudaGetErrorName(status), cudaGetErrorString(status));
}

void after_launch(cudaError_t status, const void* kernel) {
  before_call("kernel");
  if (status != cudaSuccess) after_call(status, kernels::kernel_name(kernel));
}

void after_synchronous_launch(cudaError_t status, const void* kernel) {
  const char* const name = kernels::kernel_name(kernel);
  before_call(name);
  after_call(status, name);
  after_call(cudaDeviceSynchronize(), name);
}

void fail_call(uint64_t n) {
  calls = 0;
  failing_call = n;
}

uint64_t num_calls() { return calls.load(); }

}  // namespace ember::cuda

namespace ember {

std::string last_cuda_call() {
  return cuda::function_of(cuda::last.load(std::memory_order_relaxed));
}

}  // namespace ember
