// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/quantized_cases.h"

namespace ember::cpu {
namespace {

TEST(QuantizedVnni, EqualTheDefinitionAlsoRowByRow) {
  if (!machine_has_vnni()) GTEST_SKIP() << "wants a processor with AVX-512 VNNI";
  for (const Integers integers : {Integers::k16Bits, Integers::k8Bits})
    check_quantized_kernels(quantized_kernels_of(Isa::kAvx512, integers, true), integers);
}

}  // namespace
}  // namespace ember::cpu
