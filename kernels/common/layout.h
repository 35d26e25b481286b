// SPDX-License-Identifier: Apache-2.0
// Where things lie: shared-memory swizzles and the slab of the KV cache. Host and device.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define EMBER_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define EMBER_HOST_DEVICE inline
#endif

namespace ember::kernels {

inline constexpr int kBlockTokens = 64;  // tokens of a KV block

// Columns (16-bit elements) of the images that a row of head_dim elements is cut into: rows of 128
// or of 64 bytes.
EMBER_HOST_DEVICE constexpr int image_columns(int head_dim) { return head_dim % 64 == 0 ? 64 : 32; }

// Element offset of (row, column) in an image [rows][kColumns], as TMA and wgmma swizzle it: in
// rows of 128 bytes the 16-byte chunk's index is XORed with row & 7, in rows of 64 bytes with (row
// >> 1) & 3. The image begins at a multiple of 1024 (512) bytes.
template <int kColumns>
EMBER_HOST_DEVICE constexpr int image_offset(int row, int column) {
  static_assert(kColumns == 64 || kColumns == 32);
  const int flip = kColumns == 64 ? row & 7 : (row >> 1) & 3;
  return row * kColumns + (((column >> 3) ^ flip) << 3) + (column & 7);
}

// A slab is the K or V of one block and kv head: kBlockTokens x head_dim elements, as head_dim /
// image_columns images [kBlockTokens][image_columns], one after the other. Element offset of (token
// in block, dimension).
EMBER_HOST_DEVICE constexpr int kv_slab_offset(int head_dim, int row, int column) {
  return image_columns(head_dim) == 64
             ? (column >> 6) * (kBlockTokens * 64) + image_offset<64>(row, column & 63)
             : (column >> 5) * (kBlockTokens * 32) + image_offset<32>(row, column & 31);
}

template <int kHeadDim>
EMBER_HOST_DEVICE constexpr int kv_slab_offset(int row, int column) {
  return kv_slab_offset(kHeadDim, row, column);
}

// Element offset of a slab in one layer's pool. kv: 0 for K, 1 for V.
EMBER_HOST_DEVICE constexpr int64_t kv_slab(int64_t block, int kv, int head, int num_kv_heads,
                                            int head_dim) {
  return ((block * 2 + kv) * num_kv_heads + head) * (int64_t{kBlockTokens} * head_dim);
}

}  // namespace ember::kernels
