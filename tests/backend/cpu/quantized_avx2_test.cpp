// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/quantized_cases.h"

namespace ember::cpu {
namespace {

TEST(QuantizedAvx2, EqualTheDefinitionAlsoRowByRow) {
  if (!machine_has(Isa::kAvx2)) GTEST_SKIP() << "wants a processor with avx2";
  for (const Integers integers : {Integers::k16Bits, Integers::k8Bits})
    check_quantized_kernels(quantized_kernels_of(Isa::kAvx2, integers, false), integers);
}

}  // namespace
}  // namespace ember::cpu
