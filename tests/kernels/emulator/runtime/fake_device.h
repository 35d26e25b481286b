// SPDX-License-Identifier: Apache-2.0
// The state of the one device, shared by the sources of the fake runtime.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "fake_runtime.h"

namespace fake_cuda {

uint64_t number_in(const char* variable);  // of the environment; kNever: it is not there

struct State {
  std::mutex mu;
  Device device;
  std::map<void*, size_t> device_memory;  // address and size, guards excluded
  std::map<void*, size_t> host_memory;
  Stats stats;
  int max_delay = 0;
  std::mt19937_64 random{0};
  std::atomic<bool> lost{false};
  std::set<const void*> kernels;
  std::set<cudaStream_t> streams;
  uint64_t hangs_at = number_in("FAKE_CUDA_HANG_AFTER");  // in stats.num_work
  uint64_t lost_at = kNever;                              // the same
  std::condition_variable goes_on;
};

State& state();

cudaError_t result(cudaError_t error);  // error, which cudaGetLastError() then returns
// A device that is lost does no work any more, and every call that speaks to it says so.
// FAKE_CUDA_LOST_AFTER=N: after N such calls. FAKE_CUDA_LOST_FILE=PATH: once there is such a file.
bool lost();
cudaError_t reach_device();            // what a call that speaks to the device begins with
void load_kernel(const void* kernel);  // counts it when it is used for the first time
void begin_work();                     // a piece of work begins, unless and until the device hangs
void wait_for_device();                // what cudaFree and its like do before they free

}  // namespace fake_cuda
