// SPDX-License-Identifier: Apache-2.0
// The functions of kernels/common/wgmma.cuh on the emulated machine: products execute when a wait
// forces them, or earlier, as the seed decides, in the order in which their warpgroup issued them.
// What a warp's wait says holds for that warp alone: other warps' parts of the same products may
// still read.
#pragma once

#include "ptx.h"

namespace ember::kernels {

// d[64 x n] = (keep ? d : 0) + a b. `a` null: from shared memory, where its descriptor says.
// `transposed`: b's rows are of n, not of k.
struct WgmmaProduct {
  float* d;
  const uint32_t* a;
  uint64_t a_descriptor, b_descriptor;
  int keep, n;
  bool half, transposed;
};
void wgmma_issue(const WgmmaProduct& product);
void wgmma_wait_pending(int pending, emu::Where where);

void wgmma_fence(emu::Where where = emu::Where::current());
void wgmma_commit();
template <int kPending>
void wgmma_wait(emu::Where where = emu::Where::current()) {
  wgmma_wait_pending(kPending, where);
}
// With the accumulators' names, which only a compiler needs.
template <class T, int N>
void wgmma_fence(T (&)[N], emu::Where where = emu::Where::current()) {
  wgmma_fence(where);
}
template <int kPending, class T, int N>
void wgmma_wait(T (&)[N], emu::Where where = emu::Where::current()) {
  wgmma_wait_pending(kPending, where);
}

template <int kColumns>
uint64_t wgmma_descriptor(uint32_t address, uint32_t leading = 16,
                          uint32_t stride = 8 * kColumns * 2) {
  const uint64_t swizzle = kColumns == 64 ? 1 : 2;
  return static_cast<uint64_t>((address & 0x3FFFF) >> 4) |
         static_cast<uint64_t>(leading >> 4) << 16 | static_cast<uint64_t>(stride >> 4) << 32 |
         swizzle << 62;
}

template <class T, int N>
void wgmma_ss(float* d, uint64_t a, uint64_t b, int keep) {
  wgmma_issue({d, nullptr, a, b, keep, N, is_half<T>, false});
}
template <class T, int N>
void wgmma_rs_transposed(float* d, const uint32_t* a, uint64_t b, int keep) {
  wgmma_issue({d, a, 0, b, keep, N, is_half<T>, true});
}

}  // namespace ember::kernels
