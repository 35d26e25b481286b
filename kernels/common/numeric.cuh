// SPDX-License-Identifier: Apache-2.0
// 16-bit floats: conversions and pairs, the same names for both types.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/common/ptx.cuh"

namespace ember::kernels {

EMBER_DEVICE float to_float(__half v) { return __half2float(v); }
EMBER_DEVICE float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class T>
EMBER_DEVICE T from_float(float v) {
  if constexpr (is_half<T>)
    return __float2half_rn(v);
  else
    return __float2bfloat16_rn(v);
}

// Two neighbours in a register, as the tensor cores take them: `low` in the low half.
template <class T>
EMBER_DEVICE uint32_t pack(float low, float high) {
  std::conditional_t<is_half<T>, __half2, __nv_bfloat162> pair;
  if constexpr (is_half<T>)
    pair = __floats2half2_rn(low, high);
  else
    pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, 4);
  return bits;
}

template <class T>
EMBER_DEVICE float2 unpack(uint32_t bits) {
  std::conditional_t<is_half<T>, __half2, __nv_bfloat162> pair;
  memcpy(static_cast<void*>(&pair), &bits, 4);
  if constexpr (is_half<T>)
    return __half22float2(pair);
  else
    return __bfloat1622float2(pair);
}

}  // namespace ember::kernels
