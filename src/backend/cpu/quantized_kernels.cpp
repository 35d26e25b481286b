// SPDX-License-Identifier: Apache-2.0
#include "cpu/quantized_kernels.h"

#include "cpu/kernel_tables.h"
#include "ember/base/check.h"

namespace ember::cpu {

namespace {

// Each part begins at a cache line.
struct PreparedBytes {
  PreparedBytes(Integers integers, int64_t rows, int64_t in)
      : values(round_up(rows * in * (integers == Integers::k16Bits ? 2 : 1), 64)),
        floats(round_up(rows * (in / 32) * 4, 64)),
        sums(round_up(rows * (in / 32) * 8, 64)) {}
  int64_t values, floats, sums;
};

}  // namespace

int64_t PreparedRows::bytes(Integers integers, int64_t rows, int64_t in) {
  const PreparedBytes bytes(integers, rows, in);
  return bytes.values + 2 * bytes.floats + bytes.sums;
}

PreparedRows PreparedRows::in_memory(Integers integers, void* memory, int64_t rows, int64_t in) {
  const PreparedBytes bytes(integers, rows, in);
  auto* const floats = static_cast<std::byte*>(memory) + bytes.values;
  return {.v = memory,
          .dx = reinterpret_cast<float*>(floats),
          .dx_sums = reinterpret_cast<float*>(floats + bytes.floats),
          .v_sums = reinterpret_cast<int32_t*>(floats + 2 * bytes.floats)};
}

const QuantizedKernels& quantized_kernels_of(Isa isa, Integers integers, bool vnni) {
  CHECK(machine_has(isa) && (!vnni || machine_has_vnni()), "this machine has no {}",
        vnni ? "VNNI" : name_of(isa));
  if (isa == Isa::kAvx2) return avx2_quantized(integers);
  return vnni ? vnni_quantized(integers) : avx512_quantized(integers);
}

}  // namespace ember::cpu
