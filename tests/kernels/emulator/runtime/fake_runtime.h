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
#include <typeinfo>

#include "cuda_runtime_api.h"

namespace fake_cuda {

// How a kernel is launched: `work`, which owns copies of the kernel's arguments, runs on the
// stream, or becomes part of the graph that the stream is recording. Any thread.
void enqueue(cudaStream_t stream, std::function<void()> work);

struct Kernel {
  const void* function = nullptr;
  const std::type_info* type = nullptr;  // of the function
  size_t shared_bytes = 0;               // dynamic
  void* const* arguments = nullptr;      // as for cudaLaunchKernel
};
// enqueue() for a kernel, which its first use loads. Refuses more than 48 KiB of dynamic shared
// memory that were not asked for (cudaFuncSetAttribute).
cudaError_t launch(cudaStream_t stream, const Kernel& kernel, std::function<void()> work);

struct Device {
  int count = 1;
  int major = 9, minor = 0;
  int num_sms = 4;
  size_t memory_bytes = size_t{4} << 30;
  int driver = CUDART_VERSION;
  bool integrated = false;
  cudaError_t status = cudaSuccess;  // of the first call that asks for devices
  size_t kernel_bytes = 0;           // of device memory that the driver takes for each kernel
};
// Between tests only. No kernel is loaded.
void set_device(const Device& device);

// The device does so many more pieces of work, then it hangs: no stream does anything, and whoever
// waits for one, or frees memory, waits until another call of hang_after(). kNever: it goes on.
// In the environment FAKE_CUDA_HANG_AFTER=N is hang_after(N) at the start, and
// FAKE_CUDA_HANG_FILE=PATH hang_after(0) once there is such a file.
inline constexpr uint64_t kNever = UINT64_MAX;
void hang_after(uint64_t num_work);
// The device does so many more pieces of work, then it is lost, as by an access to a wrong address:
// it does no work, and every call that speaks to it says so. kNever: it is not lost (any more).
void lose_after(uint64_t num_work);

// Before each piece of work a stream sleeps up to so many microseconds, as `seed` decides. 0:
// never.
void set_delays(int max_microseconds, uint64_t seed);

// From here on no stream does anything: what is asked of it is counted, and done as soon as it is
// asked for. Device memory is not filled. `launched` sees each kernel that is launched outside of a
// graph; null: streams work again. For measuring what the host does.
void do_nothing(std::function<void(const Kernel&)> launched);

struct Stats {
  size_t device_bytes = 0;  // allocated now
  // Calls, ever:
  uint64_t num_allocations = 0;  // cudaMalloc and cudaHostAlloc
  uint64_t num_launches = 0;     // of kernels, recorded ones too
  uint64_t num_graph_launches = 0;
  uint64_t num_copies = 0, copied_bytes = 0;  // cudaMemcpyAsync and its kin
  uint64_t num_waits = 0;                     // for a stream or an event
  uint64_t num_queries = 0;                   // cudaStreamQuery
  uint64_t num_attributes = 0;                // cudaFuncSetAttribute
  uint64_t num_work = 0;                      // pieces of work begun
  uint64_t num_kernels = 0;  // different ones launched or recorded since set_device()
};
Stats stats();
// What a kernel was told; 0: nothing.
int attribute(const void* kernel, cudaFuncAttribute attribute);
// What cudaFuncGetName() says of it, a text of the program; "kernel" for the others.
void set_name(const void* kernel, const char* name);

// Aborts, saying which allocation, when bytes beside device memory were written. Called by cudaFree
// too.
void check_guards();

}  // namespace fake_cuda
