// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernel_cases.h"

namespace ember::cpu {
namespace {

TEST(KernelsAvx2, EqualDoublePrecisionAndThemselvesRowByRow) { check_kernels(Isa::kAvx2); }

}  // namespace
}  // namespace ember::cpu
