// SPDX-License-Identifier: Apache-2.0
#include "cuda/error.h"

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <string_view>

#include "ember/base/device_error.h"

namespace ember::cuda {

namespace {

std::atomic<uint64_t> calls{0}, failing_call{0};

[[noreturn]] void fail(std::string_view call, cudaError_t status, const char* name,
                       const char* text) {
  const std::string function(call.substr(0, call.find('(')));
  throw DeviceError(function, status,
                    fmt::format("CUDA: {} failed: {} ({})", function, name, text));
}

}  // namespace

void before_call(const char* call) {
  const uint64_t failing = failing_call.load();
  if (const uint64_t number = ++calls; failing != 0 && number >= failing)
    fail(call, cudaErrorUnknown, "injected", "the device was made to fail");
}

void after_call(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that an error that is not sticky is not found again by the next call
  fail(call, status, cudaGetErrorName(status), cudaGetErrorString(status));
}

void after_launch(cudaError_t status, const char* kernel) {
  before_call(kernel);
  after_call(status, kernel);
}

void after_synchronous_launch(cudaError_t status, const char* kernel) {
  after_launch(status, kernel);
  after_call(cudaDeviceSynchronize(), kernel);
}

void fail_call(uint64_t n) {
  calls = 0;
  failing_call = n;
}

uint64_t num_calls() { return calls.load(); }

}  // namespace ember::cuda
