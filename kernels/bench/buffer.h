// SPDX-License-Identifier: Apache-2.0
// What the benchmark and its cases share.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace ember::kernels::bench {

inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(status));
}
#define CHECK_CUDA(call) check((call), #call)

// Device memory.
struct Buffer {
  void* data = nullptr;
  const size_t bytes;
  explicit Buffer(size_t bytes_) : bytes(bytes_) { CHECK_CUDA(cudaMalloc(&data, bytes)); }
  ~Buffer() { cudaFree(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  uint16_t* half(size_t i) const { return as<uint16_t>() + i; }

  // In the order of the stream, and over when these return.
  void write(cudaStream_t stream, const void* from, size_t count) const {
    CHECK_CUDA(cudaMemcpyAsync(data, from, count, cudaMemcpyHostToDevice, stream));
    CHECK_CUDA(cudaStreamSynchronize(stream));
  }
  template <class T>
  void write(cudaStream_t stream, const std::vector<T>& from) const {
    write(stream, from.data(), from.size() * sizeof(T));
  }
  template <class T>
  std::vector<T> read(cudaStream_t stream, size_t count) const {
    std::vector<T> host(count);
    CHECK_CUDA(
        cudaMemcpyAsync(host.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost, stream));
    CHECK_CUDA(cudaStreamSynchronize(stream));
    return host;
  }
};

// What `enqueue` asks of the stream, recorded once. Nothing in it may be used for the first time.
class Recorded {
 public:
  Recorded(cudaStream_t stream, const std::function<void()>& enqueue) : stream_(stream) {
    cudaGraph_t graph;
    CHECK_CUDA(cudaStreamSynchronize(stream));
    CHECK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    enqueue();
    CHECK_CUDA(cudaStreamEndCapture(stream, &graph));
    CHECK_CUDA(cudaGraphInstantiate(&exec_, graph, 0));
    cudaGraphDestroy(graph);
  }
  ~Recorded() { cudaGraphExecDestroy(exec_); }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;
  void launch() const { CHECK_CUDA(cudaGraphLaunch(exec_, stream_)); }

 private:
  const cudaStream_t stream_;
  cudaGraphExec_t exec_;
};

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

// How far a kernel's results are from what they should be.
struct CaseResult {
  std::string kernel, shape;
  bool right = false;
  double largest_difference = 0, largest = 0;  // |result - expected|, |expected|
};

}  // namespace ember::kernels::bench
