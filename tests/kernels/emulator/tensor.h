// SPDX-License-Identifier: Apache-2.0
// A tensor map, as the emulated machine keeps it in the driver's opaque type.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <cstring>

namespace emu {

struct TensorMap {
  const char* data;
  int rank;
  int64_t dims[3];     // elements of 16 bits, innermost first
  int64_t strides[2];  // bytes
  int box[3];
};

inline CUtensorMap encode(const TensorMap& map) {
  static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));
  CUtensorMap opaque = {};
  std::memcpy(&opaque, &map, sizeof map);
  return opaque;
}

inline TensorMap decode(const CUtensorMap* opaque) {
  TensorMap map;
  std::memcpy(&map, opaque, sizeof map);
  return map;
}

}  // namespace emu
