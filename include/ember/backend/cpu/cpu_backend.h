// SPDX-License-Identifier: Apache-2.0
// The CPU as a Backend: float32 activations and cache, weights in the checkpoint's 16-bit (or
// float32) type.
#pragma once

#include <memory>
#include <string>

#include "ember/backend/backend.h"

namespace ember {

struct CpuOptions {
  int num_threads = 0;  // 0: as many as this process may run on
  // Instruction set: auto (the best this machine has), avx2, avx512, amx. Forcing one that the
  // machine lacks is a StartError(kNoDevice) that names those it has.
  std::string isa = "auto";
  int max_in_flight =
      1;  // 2: steps are taken one ahead as on a GPU (and still computed at once); for tests
};

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);

}  // namespace ember
