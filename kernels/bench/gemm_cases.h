// SPDX-License-Identifier: Apache-2.0
// Products in cases that no benchmark of one model's shapes has: every epilogue with and without
// bias, odd numbers of rows and columns, and a token alone against the same one among others, with
// operands of 2^-8 to 2^8 of both signs, so that another order of a sum is another result.
#pragma once

#include <functional>

#include "kernels/bench/buffer.h"
#include "kernels/common.h"

namespace ember::kernels::bench {

// Calls `report` for each case. tiny: without the shapes that are too large for the emulated
// machine.
void check_gemm_cases(const StreamRef& stream, DType dtype, bool tiny,
                      const std::function<void(const CaseResult&)>& report);

}  // namespace ember::kernels::bench
