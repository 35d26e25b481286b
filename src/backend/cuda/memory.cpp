// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "cuda/error.h"
#include "ember/base/check.h"
#include "ember/base/start_error.h"

namespace ember::cuda {

// Destructors do not check: after an error of the device there is nothing that could be done about
// another one.

Arena::~Arena() { cudaFree(base_); }

void Arena::reserve(size_t bytes) {
  CHECK(base_ == nullptr && !sealed_, "memory is reserved once");
  void* memory = nullptr;
  before_call("cudaMalloc");
  if (const cudaError_t status = cudaMalloc(&memory, std::max(bytes, kAlignment));
      status != cudaSuccess) {
    cudaGetLastError();
    throw StartError(
        ExitCode::kNoDevice,
        fmt::format(
            "the device refused {} bytes in one piece ({}): another program may have taken them",
            bytes, cudaGetErrorName(status)));
  }
  base_ = static_cast<std::byte*>(memory);
  reserved_ = bytes;
  CUDA_CHECK(cudaMemsetAsync(base_, 0, bytes, nullptr));
  CUDA_CHECK(cudaStreamSynchronize(nullptr));
}

void* Arena::take(size_t bytes) {
  void* const memory = take_exactly(rounded(bytes));
  if (guard_bytes_ > 0) guards_.push_back(used_ - guard_bytes_);
  return memory;
}

void* Arena::take_exactly(size_t bytes) {
  CHECK(!sealed_, "device memory is allocated after start-up");
  CHECK(bytes % kAlignment == 0);
  CHECK(used_ + bytes <= reserved_, "{} bytes of device memory are wanted, {} of {} are left",
        bytes, reserved_ - used_, reserved_);
  std::byte* const memory = base_ + used_;
  used_ += bytes;
  return memory;
}

bool Arena::guards_intact() const {
  const auto zero = [&](size_t begin, size_t bytes) {
    std::vector<std::byte> copy(bytes);
    CUDA_CHECK(cudaMemcpy(copy.data(), base_ + begin, bytes, cudaMemcpyDeviceToHost));
    return std::all_of(copy.begin(), copy.end(), [](std::byte b) { return b == std::byte{0}; });
  };
  return std::all_of(guards_.begin(), guards_.end(),
                     [&](size_t begin) { return zero(begin, guard_bytes_); }) &&
         zero(used_, reserved_ - used_);
}

PinnedBuffer::PinnedBuffer(size_t bytes) : size_(bytes) {
  void* memory = nullptr;
  void* device = nullptr;
  CUDA_CHECK(cudaHostAlloc(&memory, std::max<size_t>(bytes, 1), cudaHostAllocMapped));
  data_ = static_cast<std::byte*>(memory);
  const cudaError_t status = cudaHostGetDevicePointer(&device, memory, 0);
  if (status != cudaSuccess) cudaFreeHost(memory);
  after_call(status, "cudaHostGetDevicePointer");
  on_device_ = static_cast<std::byte*>(device);
}

PinnedBuffer::~PinnedBuffer() {
  if (data_ != nullptr) cudaFreeHost(data_);
}

Stream::Stream() { CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }

Stream::~Stream() {
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
}

void Stream::wait() const { CUDA_CHECK(cudaStreamSynchronize(stream_)); }

Event::Event() { CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
Event::~Event() { cudaEventDestroy(event_); }
void Event::record(const Stream& stream) { CUDA_CHECK(cudaEventRecord(event_, stream.get())); }
void Event::wait() const { CUDA_CHECK(cudaEventSynchronize(event_)); }
void Event::hold(const Stream& stream) const {
  CUDA_CHECK(cudaStreamWaitEvent(stream.get(), event_, 0));
}

}  // namespace ember::cuda
