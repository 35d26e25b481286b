// SPDX-License-Identifier: Apache-2.0
#include "cpu/kernels.h"

#include "cpu/kernel_tables.h"
#include "ember/base/check.h"

namespace ember::cpu {

const Kernels& kernels_of(Isa isa) {
  CHECK(machine_has(isa), "this machine has no {}", name_of(isa));
  switch (isa) {
    case Isa::kAvx2:
      return avx2_kernels();
    case Isa::kAvx512:
      return avx512_kernels();
    case Isa::kAmx:
      return amx_kernels();
  }
  return avx2_kernels();
}

}  // namespace ember::cpu
