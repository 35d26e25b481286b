// SPDX-License-Identifier: Apache-2.0
// An NVIDIA GPU as a Backend: 16-bit weights, activations and cache; kernels/ does the work.
#pragma once

#include <memory>
#include <string>

#include "ember/backend/backend.h"

namespace ember {

struct CudaOptions {
  int device = 0;              // index among the devices that CUDA shows to this process
  DType dtype = DType::kBF16;  // of weights, activations and cache: kF16 or kBF16
  bool graphs = true;          // steps of decodes are recorded once and replayed
  // Kernels begin before the one before has ended, where the device can (sm_90).
  bool overlap_launches = true;
  // Every launch is waited for, so that an error names its kernel. Needs graphs = false.
  bool synchronous = false;
  bool cublas = true;  // matrices times many tokens by cuBLASLt, where that library is found
  // Up to so many tokens our own kernels multiply, whose results do not depend on the batch; with
  // cuBLASLt this is the backend's row_invariance().
  int max_own_gemm_tokens = 256;
  size_t guard_bytes = 0;  // between allocations, a multiple of 256, for tests
};

// Tokens of a KV block; there is no other size.
inline constexpr int kCudaBlockSize = 64;

// Opens the device for the calling thread, which then uses and destroys the backend. Throws
// StartError(kNoDevice): no driver, no such GPU, one that is too old.
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options);

// The function of CUDA that this process called last, "kernel" if it launched one: when a device
// hangs, often the one that does not return. With `synchronous` it is the name of the kernel. Any
// thread.
std::string last_cuda_call();

}  // namespace ember
