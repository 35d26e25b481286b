// SPDX-License-Identifier: Apache-2.0
#include "fake_device.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "fake_kernels.h"

namespace fake_cuda {

namespace {

constexpr size_t kGuard = 4096;  // also the alignment that device memory has
constexpr unsigned char kGuardByte = 0xa5;
constexpr unsigned char kFreshByte = 0xff;  // as 16-bit or 32-bit floats: NaN
constexpr unsigned char kFreedByte = 0xdd;

thread_local cudaError_t last_error = cudaSuccess;

void check_guards_of(const void* pointer, size_t bytes) {
  const auto* begin = static_cast<const unsigned char*>(pointer);
  for (size_t i = 0; i < kGuard; ++i) {
    const bool before = begin[-1 - static_cast<ptrdiff_t>(i)] != kGuardByte,
               after = begin[bytes + i] != kGuardByte;
    if (!before && !after) continue;
    std::fprintf(stderr, "fake CUDA: a write %zu bytes %s an allocation of %zu bytes\n", i,
                 before ? "before" : "after the end of", bytes);
    std::abort();
  }
}

}  // namespace

uint64_t number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : kNever;
}

State& state() {
  static State* const instance = new State;  // never destroyed: streams may outlive static objects
  return *instance;
}

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

bool lost() {
  static const char* const file = std::getenv("FAKE_CUDA_LOST_FILE");
  return state().lost || (file != nullptr && (state().lost = std::filesystem::exists(file)));
}

cudaError_t reach_device() {
  static const uint64_t last = number_in("FAKE_CUDA_LOST_AFTER");
  static std::atomic<uint64_t> calls{0};
  if (++calls > last) state().lost = true;
  return lost() ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

void begin_work() {
  std::unique_lock lock(state().mu);
  const uint64_t number = ++state().stats.num_work;
  static const char* const file = std::getenv("FAKE_CUDA_HANG_FILE");
  if (file != nullptr && state().hangs_at == kNever && std::filesystem::exists(file))
    state().hangs_at = number - 1;
  state().goes_on.wait(lock, [&] { return number <= state().hangs_at; });
  if (number > state().lost_at) state().lost = true;
}

void wait_for_device() {
  std::unique_lock lock(state().mu);
  state().goes_on.wait(lock, [] { return state().stats.num_work <= state().hangs_at; });
}

void load_kernel(const void* kernel) {
  const std::lock_guard lock(state().mu);
  state().kernels.insert(kernel);
}

void set_device(const Device& device) {
  const std::lock_guard lock(state().mu);
  state().device = device;
  state().kernels.clear();
}

void hang_after(uint64_t num_work) {
  const std::lock_guard lock(state().mu);
  state().hangs_at = num_work == kNever ? kNever : state().stats.num_work + num_work;
  state().goes_on.notify_all();
}

void lose_after(uint64_t num_work) {
  const std::lock_guard lock(state().mu);
  state().lost_at = num_work == kNever ? kNever : state().stats.num_work + num_work;
  state().lost = false;
}

void set_delays(int max_microseconds, uint64_t seed) {
  const std::lock_guard lock(state().mu);
  state().max_delay = max_microseconds;
  state().random.seed(seed);
}

void count(uint64_t Stats::* counter, uint64_t n) {
  const std::lock_guard lock(state().mu);
  state().stats.*counter += n;
}

Stats stats() {
  const std::lock_guard lock(state().mu);
  Stats stats = state().stats;
  stats.num_kernels = state().kernels.size();
  return stats;
}

void check_guards() {
  const std::lock_guard lock(state().mu);
  for (const auto& [pointer, bytes] : state().device_memory) check_guards_of(pointer, bytes);
}

}  // namespace fake_cuda

using fake_cuda::reach_device;
using fake_cuda::result;
using fake_cuda::state;

const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaGetLastError() { return std::exchange(fake_cuda::last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return fake_cuda::last_error; }

cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(state().mu);
  *count = state().device.count;
  if (state().device.status != cudaSuccess) return result(state().device.status);
  return result(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device) {
  const std::lock_guard lock(state().mu);
  return result(device < state().device.count ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  const std::lock_guard lock(state().mu);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated GPU");
  properties->totalGlobalMem = state().device.memory_bytes;
  const int sm = state().device.major * 10 + state().device.minor;
  properties->sharedMemPerMultiprocessor = (sm == 80 ? size_t{164} : sm < 90 ? 100 : 228) << 10;
  properties->sharedMemPerBlockOptin = properties->sharedMemPerMultiprocessor - (1 << 10);
  properties->multiProcessorCount = state().device.num_sms;
  properties->major = state().device.major;
  properties->minor = state().device.minor;
  properties->l2CacheSize = 50 << 20;
  properties->integrated = state().device.integrated ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  cudaGetDeviceProperties(&properties, device);
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* bus_id, int bytes, int) {
  std::snprintf(bus_id, static_cast<size_t>(bytes), "0000:1B:00.0");
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  const std::lock_guard lock(state().mu);
  *version = state().device.driver;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  const std::lock_guard lock(state().mu);
  *total_bytes = state().device.memory_bytes;
  const size_t used =
      state().stats.device_bytes + state().kernels.size() * state().device.kernel_bytes;
  *free_bytes = *total_bytes - std::min(*total_bytes, used);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  const std::lock_guard lock(state().mu);
  if (state().stats.device_bytes + bytes > state().device.memory_bytes)
    return result(cudaErrorMemoryAllocation);
  const size_t rounded = (bytes + fake_cuda::kGuard - 1) / fake_cuda::kGuard * fake_cuda::kGuard;
  auto* const memory = static_cast<unsigned char*>(
      std::aligned_alloc(fake_cuda::kGuard, rounded + 2 * fake_cuda::kGuard));
  if (memory == nullptr) return result(cudaErrorMemoryAllocation);
  *pointer = memory + fake_cuda::kGuard;
  std::memset(memory, fake_cuda::kGuardByte, fake_cuda::kGuard);
  if (!fake_cuda::does_nothing()) std::memset(*pointer, fake_cuda::kFreshByte, bytes);
  std::memset(static_cast<unsigned char*>(*pointer) + bytes, fake_cuda::kGuardByte,
              rounded - bytes + fake_cuda::kGuard);
  state().device_memory[*pointer] = bytes;
  state().stats.device_bytes += bytes;
  ++state().stats.num_allocations;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  fake_cuda::wait_for_device();
  const std::lock_guard lock(state().mu);
  const auto found = state().device_memory.find(pointer);
  if (found == state().device_memory.end()) return result(cudaErrorInvalidValue);
  fake_cuda::check_guards_of(pointer, found->second);
  if (!fake_cuda::does_nothing()) std::memset(pointer, fake_cuda::kFreedByte, found->second);
  state().stats.device_bytes -= found->second;
  state().device_memory.erase(found);
  std::free(static_cast<unsigned char*>(pointer) - fake_cuda::kGuard);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  const std::lock_guard lock(state().mu);
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*pointer == nullptr) return result(cudaErrorMemoryAllocation);
  state().host_memory[*pointer] = bytes;
  ++state().stats.num_allocations;
  return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  *device = host;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  fake_cuda::wait_for_device();
  const std::lock_guard lock(state().mu);
  const auto found = state().host_memory.find(pointer);
  if (found == state().host_memory.end()) return result(cudaErrorInvalidValue);
  std::memset(pointer, fake_cuda::kFreedByte, found->second);
  state().host_memory.erase(found);
  std::free(pointer);
  return cudaSuccess;
}
