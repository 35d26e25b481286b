// SPDX-License-Identifier: Apache-2.0
// 16-bit floats as the tensor cores of the emulated machine take them.
#pragma once

#include <array>
#include <cstdint>

#include "ember/base/dtype.h"

namespace emu {

// All of them: what tests compute is conversions for the most part.
inline const std::array<float, 65536> kFloatOfHalf = [] {
  std::array<float, 65536> all;
  for (uint32_t bits = 0; bits < all.size(); ++bits)
    all[bits] = ember::f16_to_float(static_cast<uint16_t>(bits));
  return all;
}();

// `half`: float16, else bfloat16.
inline float float_of(uint16_t bits, bool half) {
  return half ? kFloatOfHalf[bits] : ember::bf16_to_float(bits);
}
// The lower (which 0) or upper one of a pair.
inline float float_of_pair(uint32_t pair, int which, bool half) {
  return float_of(static_cast<uint16_t>(which == 0 ? pair : pair >> 16), half);
}

}  // namespace emu
