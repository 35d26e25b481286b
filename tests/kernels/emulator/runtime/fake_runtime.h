// SPDX-License-Identifier: Apache-2.0
// What tests and the emulated kernels need of the fake CUDA runtime beyond CUDA's own names.
//
// Device memory is the host's, filled with a pattern that reads as NaN, between guard bytes. Each
// stream is a thread that does its work in order; a random pause before each piece of work
// (set_delays) makes work that nothing orders run in any order. The null stream's work runs in the
// caller's thread at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cuda_runtime_api.h"

namespace fake_cuda {

// How a kernel is launched: `work`, which owns copies of the kernel's arguments, runs on the
// stream, or becomes part of the graph that the stream is recording. Any thread.
void enqueue(cudaStream_t stream, std::function<void()> work);

struct Device {
  int count = 1;
  int major = 9, minor = 0;
  int num_sms = 4;
  size_t memory_bytes = size_t{4} << 30;
  int driver = CUDART_VERSION;
  bool integrated = false;
  cudaError_t status = cudaSuccess;  // of the first call that asks for devices
};
void set_device(const Device& device);  // between tests only

// Before each piece of work a stream sleeps up to so many microseconds, as `seed` decides. 0:
// never.
void set_delays(int max_microseconds, uint64_t seed);

struct Stats {
  size_t device_bytes = 0;       // allocated now
  uint64_t num_allocations = 0;  // cudaMalloc and cudaHostAlloc, ever
  uint64_t num_launches = 0;     // pieces of work enqueued or recorded, ever
  uint64_t num_graph_launches = 0;
};
Stats stats();

// Aborts, saying which allocation, when bytes beside device memory were written. Called by cudaFree
// too.
void check_guards();

}  // namespace fake_cuda
