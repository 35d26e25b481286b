// SPDX-License-Identifier: Apache-2.0
// Decode attention with Hopper's bulk copies.
#pragma once

#include "kernels/attention_decode.cuh"

namespace ember::kernels {

struct BulkLoader {
  static constexpr int kLanes = 1, kArrivals = 1;

  EMBER_DEVICE static void fence_init() { fence_barrier_init(); }
  EMBER_DEVICE static void fence() { fence_proxy_async(); }
  EMBER_DEVICE static void drain() {}

  // A whole slab is one copy; of a part of its rows, one for each image.
  template <int kHeadDim>
  EMBER_DEVICE static void load(uint32_t to, const void* keys, const void* values,
                                const PageRows& rows, uint32_t full, int) {
    constexpr uint32_t kSlabBytes = kBlockTokens * kHeadDim * 2,
                       kRowBytes = image_columns(kHeadDim) * 2;
    const uint64_t policy = policy_evict_normal();
    const auto first = static_cast<uint32_t>(rows.first) * kRowBytes,
               bytes = static_cast<uint32_t>(rows.end - rows.first) * kRowBytes;
    const bool whole = rows.end - rows.first == kBlockTokens;
    mbarrier_arrive_expect(full, 2 * bytes * (kSlabBytes / (kBlockTokens * kRowBytes)));
    for (int kv = 0; kv < 2; ++kv, to += kSlabBytes) {
      const auto* from = static_cast<const uint8_t*>(kv == 0 ? keys : values);
      if (whole) {
        bulk_load(to, from, kSlabBytes, full, policy);
      } else {
        for (uint32_t image = first; image < kSlabBytes; image += kBlockTokens * kRowBytes)
          bulk_load(to + image, from + image, bytes, full, policy);
      }
    }
  }
};

template <class T>
void decode_sm90(const StreamRef& stream, const AttentionShape& shape,
                 const AttentionArgs<T>& args) {
  switch (shape.head_dim) {
    case 64:
      return launch_decode<T, 64, 6, BulkLoader>(stream, args);
    case 96:
      return launch_decode<T, 96, 4, BulkLoader>(stream, args);
    case 128:
      return launch_decode<T, 128, 3, BulkLoader>(stream, args);
    default:
      return launch_decode<T, DecodeTile<256, 3, 1, 1>, BulkLoader>(stream, args);
  }
}

}  // namespace ember::kernels
