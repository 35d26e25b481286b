// SPDX-License-Identifier: Apache-2.0
// An NVIDIA GPU as a Backend: 16-bit weights, activations and cache; kernels/ does the work.
#pragma once

#include <memory>

#include "ember/backend/backend.h"

namespace ember {

struct CudaOptions {
  int device = 0;              // which GPU, as the driver counts them
  DType dtype = DType::kBF16;  // of weights, activations and cache: kF16 or kBF16
  bool graphs = true;          // steps of decodes are recorded once and replayed
  bool overlap_launches =
      true;  // kernels begin before the one before has ended, where the device can (sm_90)
  bool cublas = true;  // matrices times many tokens by cuBLASLt, where that library is found
  int max_own_gemm_tokens = 256;  // up to so many tokens our own kernels multiply, whose results do
                                  // not depend on the batch
  size_t guard_bytes = 0;         // between allocations, a multiple of 256, for tests
};

// Tokens of a KV block; there is no other size.
inline constexpr int kCudaBlockSize = 64;

// Throws StartError(kNoDevice): no driver, no such GPU, one that is too old. It is the process's
// first. Errors of the device later on are StartErrors too, thrown by whatever call notices; the
// backend is then good for nothing but its destruction.
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options);

}  // namespace ember
