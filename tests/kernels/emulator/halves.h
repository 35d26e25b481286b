// SPDX-License-Identifier: Apache-2.0
// 16-bit floats as the tensor cores of the emulated machine take them.
#pragma once

#include <cstdint>
#include <cstring>

#include "ember/base/dtype.h"

namespace emu {

// `half`: float16, else bfloat16.
inline float float_of(uint16_t bits, bool half) {
  return half ? ember::f16_to_float(bits) : ember::bf16_to_float(bits);
}
// The lower (which 0) or upper one of a pair.
inline float float_of_pair(uint32_t pair, int which, bool half) {
  return float_of(static_cast<uint16_t>(which == 0 ? pair : pair >> 16), half);
}

}  // namespace emu
