// SPDX-License-Identifier: Apache-2.0
// Eight neighbours of a row of 16-bit floats at a time: one 16-byte access where there are eight,
// single ones at a row's end.
#pragma once

#include <cstring>

#include "kernels/common/launch.h"
#include "kernels/common/numeric.cuh"

namespace ember::kernels {

template <class T>
struct alignas(16) Eight {
  T v[8];
};

// Elements i .. i+7 of a row of n; zero behind its end. Rows begin at multiples of 16 bytes, i is a
// multiple of 8.
template <class T>
EMBER_DEVICE Eight<T> load_eight(const T* row, int i, int n) {
  Eight<T> e;
  if (i + 8 <= n) {
    const uint4 bits = *reinterpret_cast<const uint4*>(row + i);
    memcpy(&e, &bits, sizeof e);
  } else {
    for (int j = 0; j < 8; ++j) e.v[j] = i + j < n ? row[i + j] : from_float<T>(0.0f);
  }
  return e;
}

// Stores those that lie in the row.
template <class T>
EMBER_DEVICE void store_eight(T* row, int i, int n, const Eight<T>& e) {
  if (i + 8 <= n) {
    uint4 bits;
    memcpy(&bits, &e, sizeof e);
    *reinterpret_cast<uint4*>(row + i) = bits;
  } else {
    for (int j = 0; j < 8; ++j)
      if (i + j < n) row[i + j] = e.v[j];
  }
}

// The same of float32 rows, of any alignment.
EMBER_DEVICE void load_eight_floats(float (&v)[8], const float* row, int i, int n) {
  if (i + 8 <= n && reinterpret_cast<uintptr_t>(row + i) % 16 == 0) {
    const float4 a = *reinterpret_cast<const float4*>(row + i),
                 b = *reinterpret_cast<const float4*>(row + i + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
  } else {
    for (int j = 0; j < 8; ++j) v[j] = i + j < n ? row[i + j] : 0.0f;
  }
}

}  // namespace ember::kernels
