// SPDX-License-Identifier: Apache-2.0
// What the blocks of quantised weights hold.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ember/base/weight_format.h"

namespace ember::cpu {

// 32 neighbouring weights of a row. Weight i is scale(i) * (codes[i] - zero) + minimum() with the
// format's zero (panel_layout).
struct BlockCodes {
  uint8_t codes[32] = {};
  // float16; of the whole block of 256 where it has sub-blocks
  uint16_t scale = 0, minimum = 0;
  // Of sub-blocks: what the float16s are multiplied by; the second scale is that of codes 16 to 31,
  // equal to the first where they share one. scale_factors are signed bytes in Q6_K.
  uint8_t scale_factors[2] = {}, minimum_factor = 0;
};

// Weights [32 * tile, 32 * tile + 32) of a row of a format that has panels. The row may lie at any
// address.
BlockCodes read_codes(WeightFormat format, const std::byte* row, int64_t tile);

}  // namespace ember::cpu
