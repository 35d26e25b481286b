// SPDX-License-Identifier: Apache-2.0
// Decode attention with Hopper's bulk copies: a slab is one copy.
#pragma once

#include "kernels/attention_decode.cuh"

namespace ember::kernels {

struct BulkLoader {
  static constexpr int kLanes = 1, kArrivals = 1;

  EMBER_DEVICE static void fence_init() { fence_barrier_init(); }
  EMBER_DEVICE static void fence() { fence_proxy_async(); }
  EMBER_DEVICE static void drain() {}

  template <int kSlabBytes>
  EMBER_DEVICE static void load(uint32_t to, const void* keys, const void* values, uint32_t full,
                                int) {
    const uint64_t policy = policy_evict_normal();
    mbarrier_arrive_expect(full, 2 * kSlabBytes);
    bulk_load(to, keys, kSlabBytes, full, policy);
    bulk_load(to + kSlabBytes, values, kSlabBytes, full, policy);
  }
};

template <class T>
void decode_sm90(const StreamRef& stream, const AttentionShape& shape,
                 const AttentionArgs<T>& args) {
  switch (shape.head_dim) {
    case 64:
      return launch_decode<T, DecodeTile<64, 6, 2>, BulkLoader>(stream, args);
    case 96:
      return launch_decode<T, DecodeTile<96, 4, 2>, BulkLoader>(stream, args);
    case 128:
      return launch_decode<T, DecodeTile<128, 3, 2>, BulkLoader>(stream, args);
    default:
      return launch_decode<T, DecodeTile<256, 3, 1>, BulkLoader>(stream, args);
  }
}

}  // namespace ember::kernels
