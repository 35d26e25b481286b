// SPDX-License-Identifier: Apache-2.0
#include "cpu/kernels.h"

#include <gtest/gtest.h>

namespace ember::cpu {
namespace {

// A processor that lacks the instructions is told so, in words, before any of them runs:
// scripts/test.sh runs this on emulated ones.
TEST(Kernels, AreGivenOutOnlyForWhatTheMachineHas) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512, Isa::kAmx}) {
    if (machine_has(isa)) {
      EXPECT_NE(kernels_of(isa).linear, nullptr);
    } else {
      EXPECT_DEATH(kernels_of(isa), "this machine has no ");
    }
  }
}

}  // namespace
}  // namespace ember::cpu
