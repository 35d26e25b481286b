// SPDX-License-Identifier: Apache-2.0
// The CTAs that sample one row together: a cluster of several on sm_90, one elsewhere. Sums and
// maxima over all of them, in an order that depends on the number of CTAs and threads alone.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/common/launch.h"
#include "kernels/common/ptx.cuh"

namespace ember::kernels {

// v of the lane whose number differs by `mask`; T is any plain struct of whole words.
template <class T>
EMBER_DEVICE T shuffle_xor(T v, int mask) {
  using Word = std::conditional_t<sizeof(T) % 8 == 0, unsigned long long, unsigned>;
  constexpr int kWords = sizeof(T) / sizeof(Word);
  static_assert(sizeof(T) % sizeof(Word) == 0);
  Word words[kWords];
  memcpy(words, &v, sizeof(T));
#pragma unroll
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_xor_sync(~0u, words[i], mask);
  memcpy(&v, words, sizeof(T));
  return v;
}

template <int kThreads>
struct TeamShared {
  static constexpr int kPartialBytes = 48;
  alignas(16) uint8_t partials[2][kThreads / 32][kPartialBytes];
};

template <int kCtas_, int kThreads_>
struct Team {
  static constexpr int kCtas = kCtas_, kThreads = kThreads_, kWarps = kThreads / 32;
  static_assert(kThreads % 32 == 0 && kWarps <= 32);

  TeamShared<kThreads>* shared;
  int turn = 0;  // which half of `partials` the next reduction uses

  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ int lane() const { return thread() % 32; }
  __device__ int warp() const { return thread() / 32; }
  __device__ int cta() const { return kCtas == 1 ? 0 : static_cast<int>(blockIdx.x) % kCtas; }

  // All threads of all CTAs arrive; what they wrote to shared memory before is seen by all after.
  __device__ void sync() const {
    if constexpr (kCtas == 1)
      __syncthreads();
    else
      cluster_sync();
  }

  // The same variable of another CTA's shared memory.
  template <class T>
  __device__ T* of(int other, T* mine) const {
    if constexpr (kCtas == 1)
      return mine;
    else
      return peer_shared(mine, other);
  }

  // op over every thread's value, the same for all. op commutes; T{} is its identity. Also a
  // sync().
  template <class T, class Op>
  __device__ T reduce(T v, Op op) {
    static_assert(sizeof(T) <= TeamShared<kThreads>::kPartialBytes);
    for (int mask = 16; mask > 0; mask /= 2) v = op(v, shuffle_xor(v, mask));
    // The other half may still be read by threads that have not reached the sync() below; this half
    // they have left behind.
    auto& partials = shared->partials[turn];
    turn ^= 1;
    if (lane() == 0) memcpy(partials[warp()], &v, sizeof(T));
    sync();
    T total{};
    for (int i = lane(); i < kCtas * kWarps; i += 32) {
      T partial;
      memcpy(&partial, of(i / kWarps, &partials[i % kWarps][0]), sizeof(T));
      total = op(total, partial);
    }
    for (int mask = 16; mask > 0; mask /= 2) total = op(total, shuffle_xor(total, mask));
    return total;
  }
};

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

}  // namespace ember::kernels
