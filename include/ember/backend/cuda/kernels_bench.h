// SPDX-License-Identifier: Apache-2.0
// Checks and times the kernels on the GPU.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "ember/base/dtype.h"

namespace ember {

struct KernelsBenchOptions {
  int device = 0;                     // as CudaOptions::device
  DType dtype = DType::kBF16;         // kF16 or kBF16
  bool tiny = false;                  // shapes small enough for the emulated GPU
  bool predict = false;               // nothing runs: what models say of H100 and H200
  std::vector<std::string> families;  // see kernels/bench/kernels_bench.h; empty: all
};

// Writes JSON lines. False: a result was wrong. Predictions need no device. Throws StartError:
// kNoDevice as make_cuda_backend does, kUsage for an unknown family.
bool bench_cuda_kernels(const KernelsBenchOptions& options, std::ostream& out);

}  // namespace ember
