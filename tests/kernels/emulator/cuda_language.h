// SPDX-License-Identifier: Apache-2.0
// What the CUDA C++ language and its built-in functions are to a kernel, on the emulated machine.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <vector_functions.h>
#include <vector_types.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "machine.h"

#undef __global__
#undef __device__
#undef __host__
#undef __forceinline__
#undef __launch_bounds__
#undef __shared__
#undef __constant__
#undef __restrict__
#undef __grid_constant__
#undef __align__
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ \
  static  // of the one CTA that runs; kernels with clusters use dynamic shared memory
#define __restrict__
#define __grid_constant__
#define __align__(n) alignas(n)
#define EMBER_DEVICE inline
#define EMBER_DYNAMIC_SHARED(name) \
  uint8_t* name =                  \
      reinterpret_cast<uint8_t*>(emu::shared_memory) + emu::current->rank * emu::kCtaShared

#define threadIdx (emu::current->thread)
#define blockIdx (emu::current->cta->block)
#define gridDim (emu::launch.grid)
#define blockDim (dim3(static_cast<unsigned>(emu::launch.threads)))

using std::max;
using std::min;

[[noreturn]] inline void __trap() { emu::fail("trap"); }

inline void __syncthreads() { emu::barrier_sync(0, emu::launch.threads, true); }
inline int __syncthreads_or(int v) { return emu::vote_all_threads(v, 0); }
inline int __syncthreads_and(int v) { return emu::vote_all_threads(v, 1); }
inline int __syncthreads_count(int v) { return emu::vote_all_threads(v, 2); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __nanosleep(unsigned) {}

namespace emu {

inline void check_full_mask(unsigned mask) {
  if (mask != ~0u) fail("the emulator knows collectives of whole warps only");
}

// v of lane source(lane) for every lane.
template <class T, class Source>
T shuffle(unsigned mask, T v, const char* what, Source source) {
  check_full_mask(mask);
  T both[2] = {v, v};
  meet_warp(both, what, [&](void** lanes) {
    for (int lane = 0; lane < 32; ++lane)
      static_cast<T*>(lanes[lane])[1] = static_cast<T*>(lanes[source(lane)])[0];
  });
  return both[1];
}

inline unsigned ballot(unsigned mask, bool predicate, const char* what) {
  check_full_mask(mask);
  unsigned both[2] = {predicate, 0};
  meet_warp(both, what, [](void** lanes) {
    unsigned bits = 0;
    for (int lane = 0; lane < 32; ++lane) bits |= static_cast<unsigned*>(lanes[lane])[0] << lane;
    for (int lane = 0; lane < 32; ++lane) static_cast<unsigned*>(lanes[lane])[1] = bits;
  });
  return both[1];
}

}  // namespace emu

inline void __syncwarp(unsigned mask = ~0u) { emu::ballot(mask, false, "__syncwarp"); }
template <class T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
  return emu::shuffle(mask, v, "__shfl_sync",
                      [=](int self) { return (self & ~(width - 1)) | (lane & (width - 1)); });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int flip, int width = 32) {
  return emu::shuffle(mask, v, "__shfl_xor_sync", [=](int self) {
    return (self ^ flip) / width > self / width ? self : self ^ flip;
  });
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  const int d = static_cast<int>(delta);
  return emu::shuffle(mask, v, "__shfl_up_sync",
                      [=](int self) { return self % width < d ? self : self - d; });
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  const int d = static_cast<int>(delta);
  return emu::shuffle(mask, v, "__shfl_down_sync",
                      [=](int self) { return self % width + d >= width ? self : self + d; });
}
inline unsigned __ballot_sync(unsigned mask, bool v) {
  return emu::ballot(mask, v, "__ballot_sync");
}
inline int __any_sync(unsigned mask, bool v) { return emu::ballot(mask, v, "__any_sync") != 0; }
inline int __all_sync(unsigned mask, bool v) { return emu::ballot(mask, v, "__all_sync") == ~0u; }

// Fibers never interrupt one another, so plain reads and writes are atomic.
template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = old + v;
  return old;
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = std::max(old, v);
  return old;
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = std::min(old, v);
  return old;
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = old | v;
  return old;
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = v;
  return old;
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  const T old = *p;
  if (old == expected) *p = v;
  return old;
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcg(T* p, std::type_identity_t<T> v) {
  *p = v;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> v) {
  *p = v;
}

inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline int __popc(unsigned v) { return std::popcount(v); }
inline int __popcll(uint64_t v) { return std::popcount(v); }
inline int __clz(unsigned v) { return std::countl_zero(v); }
inline int __clzll(uint64_t v) { return std::countl_zero(v); }
inline int __ffs(unsigned v) { return v == 0 ? 0 : std::countr_zero(v) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(uint64_t{a} * b >> 32);
}
inline uint64_t __umul64hi(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<__uint128_t>(a) * b >> 64);
}
inline int __float2int_rn(float v) { return static_cast<int>(std::nearbyint(v)); }
inline unsigned __float2uint_rn(float v) { return static_cast<unsigned>(std::nearbyint(v)); }
inline unsigned long long __float2ull_rn(float v) {
  return static_cast<unsigned long long>(std::nearbyint(v));
}
inline float __int2float_rn(int v) { return static_cast<float>(v); }
inline float __expf(float v) { return expf(v); }
inline float __logf(float v) { return logf(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fsqrt_rn(float v) { return sqrtf(v); }
inline float __saturatef(float v) { return std::min(std::max(v, 0.0f), 1.0f); }
