// SPDX-License-Identifier: Apache-2.0
// Decode attention with cp.async, for compute capability 8.0 and later. Stages fit the 99 KB of 8.6
// and 8.9; of the widest heads that is one, and two elsewhere.
#pragma once

#include "kernels/attention_decode.cuh"

namespace ember::kernels {

struct CpAsyncLoader {
  static constexpr int kLanes = 32, kArrivals = 32;

  EMBER_DEVICE static void fence_init() {}
  EMBER_DEVICE static void fence() {}
  // Nothing says that the copies of a thread that has ended land.
  EMBER_DEVICE static void drain() {
    cp_async_commit();
    cp_async_wait<0>();
  }

  template <int kHeadDim>
  EMBER_DEVICE static void load(uint32_t to, const void* keys, const void* values,
                                const PageRows& rows, uint32_t full, int lane) {
    constexpr int kSlabBytes = kBlockTokens * kHeadDim * 2, kRowBytes = image_columns(kHeadDim) * 2;
    const auto* k = static_cast<const uint8_t*>(keys);
    const auto* v = static_cast<const uint8_t*>(values);
    for (int at = lane * 16; at < kSlabBytes; at += 512) {
      const int row = at / kRowBytes % kBlockTokens;
      if (row < rows.first || row >= rows.end) continue;
      cp_async_16(to + static_cast<uint32_t>(at), k + at);
      cp_async_16(to + static_cast<uint32_t>(kSlabBytes + at), v + at);
    }
    cp_async_mbarrier_arrive(full);
  }
};

template <class T>
void decode_sm80(const StreamRef& stream, const AttentionShape& shape,
                 const AttentionArgs<T>& args) {
  switch (shape.head_dim) {
    case 64:
      return launch_decode<T, 64, 4, CpAsyncLoader>(stream, args);
    case 96:
      return launch_decode<T, 96, 3, CpAsyncLoader>(stream, args);
    case 128:
      return launch_decode<T, 128, 2, CpAsyncLoader>(stream, args);
    default:
      if (stream.shared_per_sm > DecodeTile<256, 2, 1, 1>::shared_bytes(8) + 1024)
        return launch_decode<T, DecodeTile<256, 2, 1, 1>, CpAsyncLoader>(stream, args);
      return launch_decode<T, DecodeTile<256, 1, 1, 1>, CpAsyncLoader>(stream, args);
  }
}

}  // namespace ember::kernels
