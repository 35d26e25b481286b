// SPDX-License-Identifier: Apache-2.0
#include "cpu/quantized_kernels.h"

#include "cpu/kernel_tables.h"
#include "ember/base/check.h"

namespace ember::cpu {

// Every part begins at a cache line, since rows of 32 int16 are one.
int64_t PreparedRows::bytes(int64_t rows, int64_t in) {
  const int64_t blocks = in / 32;
  return rows * in * 2 + 2 * round_up(rows * blocks * 4, 64) + round_up(rows * blocks * 8, 64);
}

PreparedRows PreparedRows::in_memory(void* memory, int64_t rows, int64_t in) {
  const int64_t blocks = in / 32, floats = round_up(rows * blocks * 4, 64);
  auto* const at = static_cast<std::byte*>(memory) + rows * in * 2;
  return {.v = static_cast<int16_t*>(memory),
          .dx = reinterpret_cast<float*>(at),
          .dx_sums = reinterpret_cast<float*>(at + floats),
          .v_sums = reinterpret_cast<int32_t*>(at + 2 * floats)};
}

const QuantizedKernels& quantized_kernels_of(Isa isa, bool vnni) {
  CHECK(machine_has(isa) && (!vnni || machine_has_vnni()), "this machine has no {}",
        vnni ? "VNNI" : name_of(isa));
  if (isa == Isa::kAvx2) return avx2_quantized();
  return vnni ? vnni_quantized() : avx512_quantized();
}

}  // namespace ember::cpu
