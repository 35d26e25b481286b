// SPDX-License-Identifier: Apache-2.0
// Host-visible types that all kernels share.
//
// Conventions for everything in kernels/:
// - DType kF16 or kBF16 for weights, activations and KV cache; float32 accumulation; the residual
// stream is in the 16-bit type.
// - Activations are row-major [tokens, width]. Rows >= Rows::rows are never stored to; loads of
// them may read garbage, which
//   reaches no stored row.
// - KV cache of one layer: pool[num_blocks][2 (K, V)][num_kv_heads][slab], see
// kernels/common/layout.h. Values of V in unwritten rows
//   are finite: the pool is zeroed at start and the writer of a block's first token zeroes the rest
//   of its V slab.
// - Padding: padded tokens have token id 0, position 0, slot -1 (nothing is stored to the cache)
// and belong to no sequence;
//   padded sequences have kv_len 0 and are skipped.
// - Every result depends on its row (and its sequence's cache) alone, bit for bit, whatever else is
// in the step.
// - PTX only below kernels/common/; with -DEMBER_EMULATE the same sources compile for the host
// (tests/kernels/emulator).
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "ember/base/dtype.h"

namespace ember::kernels {

// What the kernels of one device have been told. The calls that tell them may wait for the device's
// copies, so they are made when a kernel is first launched, and when it needs more shared memory
// than ever before. Used by the device's thread.
class KernelAttributes {
 public:
  // What share of a multiprocessor's L1 is shared memory, in percent. The same for all kernels: one
  // that wants another share than the kernel before cannot begin while that runs.
  explicit KernelAttributes(int shared_percent = cudaSharedmemCarveoutMaxShared)
      : shared_percent_(shared_percent) {}
  // Before a launch with so many bytes of dynamic shared memory.
  cudaError_t prepare(const void* kernel, size_t shared_bytes);

 private:
  const int shared_percent_;
  std::unordered_map<const void*, size_t> shared_bytes_;  // that each kernel may have
};

// A stream that somebody else owns, and what a launch must know of its device. Kernels are enqueued
// in order; every launch returns at once.
struct StreamRef {
  cudaStream_t handle = nullptr;
  int sm = 0;  // compute capability: 80, 86, 89, 90
  int num_sms = 0;
  size_t shared_per_sm = 0;  // bytes of shared memory of a multiprocessor
  bool pdl = false;          // programmatic dependent launch between its kernels (sm_90 only)
  KernelAttributes* attributes = nullptr;  // of the device; null: told at every launch
};

// Kernels compiled for sm_90a run on compute capability 9.0 alone; any other device >= 8.0 takes
// the generic ones.
inline bool is_hopper(const StreamRef& stream) { return stream.sm == 90; }

// How many CTAs with so much shared memory, of which the system takes a kilobyte each, a
// multiprocessor holds at once: at least one, and at most `most`.
inline int ctas_per_sm(const StreamRef& stream, size_t shared_bytes, int most) {
  return std::clamp(static_cast<int>(stream.shared_per_sm / (shared_bytes + 1024)), 1, most);
}

// A row-major matrix of 16-bit floats in device memory; row r begins at data + r * stride
// (elements). 16-byte aligned, stride % 8 == 0.
struct Rows {
  void* data = nullptr;
  int64_t stride = 0;
  int rows = 0, columns = 0;
};

// Of a kernel's host function; slow, for messages.
inline const char* kernel_name(const void* kernel) {
  const char* name = nullptr;
  return cudaFuncGetName(&name, kernel) == cudaSuccess && name != nullptr ? name : "kernel";
}

// Called with the result of every launch and the kernel's host function; must throw if it is not
// cudaSuccess. The backend installs its own, which can inject failures.
using LaunchCheck = void (*)(cudaError_t status, const void* kernel);

inline void throw_on_launch_error(cudaError_t status, const void* kernel) {
  if (status != cudaSuccess)
    throw std::runtime_error(std::string("launch of ") + kernel_name(kernel) + ": " +
                             cudaGetErrorString(status));
}

inline LaunchCheck launch_check = &throw_on_launch_error;

}  // namespace ember::kernels
