// SPDX-License-Identifier: Apache-2.0
// Tensor maps: how TMA finds a box of a row-major tensor of 16-bit elements in global memory
// (sm_90). Made on the host, passed to kernels by value as __grid_constant__.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace ember::kernels {

// dims[0] is the innermost (contiguous) dimension; strides[i] is the distance in bytes of
// neighbours along dimension i + 1, a multiple of
// 16. The box's innermost side is 64 elements (128-byte swizzle) or 32 (64-byte swizzle), see
// image_offset in layout.h.
struct TensorShape {
  int rank = 2;
  uint64_t dims[3] = {};
  uint64_t strides[2] = {};
  uint32_t box[3] = {};
};

// Throws std::runtime_error, with the driver's reason, when the shape is not allowed.
CUtensorMap make_tensor_map(const void* data, const TensorShape& shape);

}  // namespace ember::kernels
