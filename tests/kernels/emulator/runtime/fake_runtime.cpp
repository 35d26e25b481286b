// SPDX-License-Identifier: Apache-2.0
#include "fake_runtime.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace fake_cuda {

namespace {

using Work = std::function<void()>;

constexpr size_t kGuard = 4096;  // also the alignment that device memory has
constexpr unsigned char kGuardByte = 0xa5;
constexpr unsigned char kFreshByte = 0xff;  // as 16-bit or 32-bit floats: NaN
constexpr unsigned char kFreedByte = 0xdd;

struct State {
  std::mutex mu;
  Device device;
  std::map<void*, size_t> device_memory;  // address and size, guards excluded
  std::map<void*, size_t> host_memory;
  Stats stats;
  int max_delay = 0;
  std::mt19937_64 random{0};
  std::atomic<bool> lost{false};
};

State& state() {
  static State* const instance = new State;  // never destroyed: streams may outlive static objects
  return *instance;
}

thread_local cudaError_t last_error = cudaSuccess;

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

void pause() {
  int microseconds = 0;
  {
    const std::lock_guard lock(state().mu);
    if (state().max_delay > 0)
      microseconds =
          static_cast<int>(state().random() % static_cast<uint64_t>(state().max_delay + 1));
  }
  if (microseconds > 0) std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

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

// A device that is lost, as after an access to a wrong address: it does no work any more, and every
// call that speaks to it says so. FAKE_CUDA_LOST_AFTER=N: after N such calls.
// FAKE_CUDA_LOST_FILE=PATH: once there is such a file.
bool lost() {
  static const char* const file = std::getenv("FAKE_CUDA_LOST_FILE");
  return state().lost || (file != nullptr && (state().lost = std::filesystem::exists(file)));
}

cudaError_t reach_device() {
  static const char* const after = std::getenv("FAKE_CUDA_LOST_AFTER");
  static const uint64_t last = after != nullptr ? std::strtoull(after, nullptr, 10) : UINT64_MAX;
  static std::atomic<uint64_t> calls{0};
  if (++calls > last) state().lost = true;
  return lost() ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

// What is enqueued keeps an event alive after its destruction, as the driver does.
struct Event {
  std::mutex mu;
  std::condition_variable cv;
  uint64_t recorded = 0, reached = 0;  // numbers of records made, and passed by their stream
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<Event> self;  // until destroyed
};

struct Graph {
  std::vector<Work> nodes;
};

struct Stream {
  Stream() : thread([this] { run(); }) {}
  ~Stream() {
    {
      const std::lock_guard lock(mu);
      done = true;
      cv.notify_all();
    }
    thread.join();
  }

  void push(Work w) {
    const std::lock_guard lock(mu);
    queue.push_back(std::move(w));
    cv.notify_all();
  }
  bool idle() {
    const std::lock_guard lock(mu);
    return queue.empty() && !busy;
  }
  void wait_idle() {
    std::unique_lock lock(mu);
    cv.wait(lock, [&] { return queue.empty() && !busy; });
  }
  void run() {
    std::unique_lock lock(mu);
    while (true) {
      cv.wait(lock, [&] { return done || !queue.empty(); });
      if (queue.empty()) return;
      const Work w = std::move(queue.front());
      queue.pop_front();
      busy = true;
      lock.unlock();
      pause();
      if (!lost()) w();
      lock.lock();
      busy = false;
      cv.notify_all();
    }
  }

  std::mutex mu;
  std::condition_variable cv;
  std::deque<Work> queue;
  bool busy = false, done = false;
  std::unique_ptr<Graph> capture;  // used by the thread that launches
  std::thread thread;              // last: it uses everything above
};

void enqueue(cudaStream_t stream, Work work) {
  {
    const std::lock_guard lock(state().mu);
    ++state().stats.num_launches;
  }
  if (stream == nullptr) return work();
  if (stream->capture)
    stream->capture->nodes.push_back(std::move(work));
  else
    stream->push(std::move(work));
}

void set_device(const Device& device) {
  const std::lock_guard lock(state().mu);
  state().device = device;
}

void set_delays(int max_microseconds, uint64_t seed) {
  const std::lock_guard lock(state().mu);
  state().max_delay = max_microseconds;
  state().random.seed(seed);
}

Stats stats() {
  const std::lock_guard lock(state().mu);
  return state().stats;
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
  properties->sharedMemPerBlockOptin = 227 << 10;
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
  *free_bytes = *total_bytes - std::min(*total_bytes, state().stats.device_bytes);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

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
  std::memset(*pointer, fake_cuda::kFreshByte, bytes);
  std::memset(static_cast<unsigned char*>(*pointer) + bytes, fake_cuda::kGuardByte,
              rounded - bytes + fake_cuda::kGuard);
  state().device_memory[*pointer] = bytes;
  state().stats.device_bytes += bytes;
  ++state().stats.num_allocations;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  const std::lock_guard lock(state().mu);
  const auto found = state().device_memory.find(pointer);
  if (found == state().device_memory.end()) return result(cudaErrorInvalidValue);
  fake_cuda::check_guards_of(pointer, found->second);
  std::memset(pointer, fake_cuda::kFreedByte, found->second);
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
  const std::lock_guard lock(state().mu);
  const auto found = state().host_memory.find(pointer);
  if (found == state().host_memory.end()) return result(cudaErrorInvalidValue);
  std::memset(pointer, fake_cuda::kFreedByte, found->second);
  state().host_memory.erase(found);
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  fake_cuda::enqueue(stream, [=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind, cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return result(cudaErrorInvalidValue);
  fake_cuda::enqueue(stream, [=] {
    for (size_t row = 0; row < height; ++row)
      std::memcpy(static_cast<char*>(to) + row * to_pitch,
                  static_cast<const char*>(from) + row * from_pitch, width);
  });
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  fake_cuda::enqueue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  *stream = new fake_cuda::Stream;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;  // finishes its work first
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  if (stream != nullptr) stream->wait_idle();
  return fake_cuda::lost() ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  return stream == nullptr || stream->idle() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  uint64_t wanted = 0;
  {
    const std::lock_guard lock(event->mu);
    wanted = event->recorded;
  }
  fake_cuda::enqueue(stream, [event = event->self, wanted] {
    std::unique_lock lock(event->mu);
    event->cv.wait(lock, [&] { return event->reached >= wanted; });
  });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  auto made = std::make_shared<fake_cuda::Event>();
  *event = (made->self = made).get();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event != nullptr) const auto last = std::move(event->self);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  uint64_t number = 0;
  {
    const std::lock_guard lock(event->mu);
    number = ++event->recorded;
  }
  fake_cuda::enqueue(stream, [event = event->self, number] {
    const std::lock_guard lock(event->mu);
    event->reached = number;
    event->time = std::chrono::steady_clock::now();
    event->cv.notify_all();
  });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  std::unique_lock lock(event->mu);
  while (event->reached < event->recorded && !fake_cuda::lost())
    event->cv.wait_for(lock, std::chrono::milliseconds(1));
  return event->reached < event->recorded ? result(cudaErrorIllegalAddress) : cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(event->mu);
  return event->reached >= event->recorded ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  if (stream == nullptr || stream->capture) return result(cudaErrorInvalidValue);
  stream->capture = std::make_unique<fake_cuda::Graph>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  if (stream == nullptr || !stream->capture) return result(cudaErrorInvalidValue);
  *graph = stream->capture.release();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  *exec = new fake_cuda::Graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (const cudaError_t error = reach_device(); error != cudaSuccess) return error;
  {
    const std::lock_guard lock(state().mu);
    ++state().stats.num_graph_launches;
  }
  for (const auto& node : exec->nodes) fake_cuda::enqueue(stream, node);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
