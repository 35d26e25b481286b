// SPDX-License-Identifier: Apache-2.0
// The CPU as a Backend: float32 activations and cache, weights in the checkpoint's 16-bit (or
// float32) type, or in the blocks of quantised ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ember/backend/backend.h"
#include "ember/base/rendezvous.h"

namespace ember {

// What activations become where they are multiplied with quantised weights.
enum class CpuActivations : uint8_t {
  kInt16,  // an integer of 16 bits, with a scale for each 32 of them
  kInt8,   // the same with 8 bits
  kFloat,  // they stay what they are: the backend does not take quantised weights
};

namespace cpu {
class Exchange;
}

// Where the CPU backends of one tensor-parallel group, one for each thread of `meeting`, exchange
// what they compute: 2, 4 or 8 of them.
std::shared_ptr<cpu::Exchange> make_cpu_exchange(std::shared_ptr<Rendezvous> meeting);

struct CpuOptions {
  int num_threads = 0;  // 0: as many as this process may run on
  // Instruction set: auto (the best this machine has), avx2, avx512, amx. Forcing one that the
  // machine lacks is a StartError(kNoDevice) that names those it has.
  std::string isa = "auto";
  CpuActivations activations = CpuActivations::kInt16;
  int rank = 0;                             // in the exchange
  std::shared_ptr<cpu::Exchange> exchange;  // null: it is the only rank
  int max_in_flight =
      1;  // 2: steps are taken one ahead as on a GPU (and still computed at once); for tests
};

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);

}  // namespace ember
