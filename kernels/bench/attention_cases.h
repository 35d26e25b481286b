// SPDX-License-Identifier: Apache-2.0
// Attention in small cases that no benchmark of one model's shapes has: every head_dim, groups,
// windows that cut a block, capped scores, ragged batches, padding, chunks at any place, a recorded
// step with other lengths, and a sequence alone. Keys that no token has written are NaN, and so are
// blocks that nobody has; entries of block tables that are not needed name no block.
#pragma once

#include <functional>

#include "kernels/bench/buffer.h"
#include "kernels/common.h"

namespace ember::kernels::bench {

// Calls `report` for each case: against sums in double on the host, or bits against bits.
void check_attention_cases(const StreamRef& stream, DType dtype,
                           const std::function<void(const CaseResult&)>& report);

}  // namespace ember::kernels::bench
