// SPDX-License-Identifier: Apache-2.0
#include "cpu/quantized_kernels.h"

#include <gtest/gtest.h>

#include <vector>

namespace ember::cpu {
namespace {

TEST(QuantizedKernels, AreGivenOutOnlyForWhatTheMachineHas) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512, Isa::kAmx}) {
    if (machine_has(isa)) {
      EXPECT_NE(quantized_kernels_of(isa, Integers::k16Bits).multiply, nullptr);
    } else {
      EXPECT_DEATH(quantized_kernels_of(isa, Integers::k8Bits, false), "this machine has no ");
    }
  }
  if (!machine_has_vnni()) {
    EXPECT_DEATH(quantized_kernels_of(Isa::kAvx2, Integers::k16Bits, true),
                 "this machine has no VNNI");
  }
}

TEST(QuantizedKernels, PreparedRowsLieInTheirMemoryOneBehindTheOther) {
  alignas(64) std::byte memory[1];
  for (const Integers integers : {Integers::k16Bits, Integers::k8Bits})
    for (const int64_t rows : {1, 3, 512})
      for (const int64_t in : {32, 96, 4096}) {
        const PreparedRows x = PreparedRows::in_memory(integers, memory, rows, in);
        const int64_t blocks = rows * in / 32, size = integers == Integers::k16Bits ? 2 : 1;
        const auto distance = [](const void* a, const void* b) {
          return static_cast<const std::byte*>(b) - static_cast<const std::byte*>(a);
        };
        EXPECT_GE(distance(x.v, x.dx), rows * in * size);
        EXPECT_GE(distance(x.dx, x.dx_sums), blocks * 4);
        EXPECT_GE(distance(x.dx_sums, x.v_sums), blocks * 4);
        EXPECT_GE(PreparedRows::bytes(integers, rows, in) - distance(memory, x.v_sums), blocks * 8);
        for (const void* part : {x.v, static_cast<void*>(x.dx), static_cast<void*>(x.v_sums)})
          EXPECT_EQ(reinterpret_cast<uintptr_t>(part) % 64, 0u);
      }
}

}  // namespace
}  // namespace ember::cpu
