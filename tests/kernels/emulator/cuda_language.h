// SPDX-License-Identifier: Apache-2.0
// What the CUDA C++ language and its built-in functions are to a kernel, on the emulated machine.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <vector_functions.h>
#include <vector_types.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
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
#define EMBER_DYNAMIC_SHARED(name) uint8_t* name = emu::cta_shared_memory()

#define threadIdx (emu::thread_index())
#define blockIdx (emu::block_index())
#define gridDim (emu::grid_size())
#define blockDim (emu::block_size())

using std::max;
using std::min;

[[noreturn]] inline void __trap() { emu::fail("trap"); }

void __syncthreads(emu::Where where = emu::Where::current());
int __syncthreads_or(int v);
int __syncthreads_and(int v);
int __syncthreads_count(int v);
void __syncwarp(unsigned mask = ~0u, emu::Where where = emu::Where::current());
void __threadfence(emu::Where where = emu::Where::current());
void __threadfence_system(emu::Where where = emu::Where::current());
inline void __nanosleep(unsigned) {}

namespace emu {

// The machine knows collectives of whole warps only. They order nothing, but for __syncwarp.
enum class Shuffle { kLane, kXor, kUp, kDown };
void shuffle(unsigned mask, const void* v, void* result, size_t bytes, Shuffle kind, int operand,
             int width);
unsigned ballot(unsigned mask, bool predicate);
void check_full_mask(unsigned mask);

template <class T>
T shuffled(unsigned mask, T v, Shuffle kind, int operand, int width) {
  T result;
  shuffle(mask, &v, &result, sizeof(T), kind, operand, width);
  return result;
}

}  // namespace emu

template <class T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
  return emu::shuffled(mask, v, emu::Shuffle::kLane, lane, width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int flip, int width = 32) {
  return emu::shuffled(mask, v, emu::Shuffle::kXor, flip, width);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  return emu::shuffled(mask, v, emu::Shuffle::kUp, static_cast<int>(delta), width);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  return emu::shuffled(mask, v, emu::Shuffle::kDown, static_cast<int>(delta), width);
}
inline unsigned __ballot_sync(unsigned mask, bool v) { return emu::ballot(mask, v); }
inline int __any_sync(unsigned mask, bool v) { return emu::ballot(mask, v) != 0; }
inline int __all_sync(unsigned mask, bool v) { return emu::ballot(mask, v) == ~0u; }

namespace emu {

// Fibers never interrupt one another, so plain reads and writes are atomic.
template <class T, class Change>
[[gnu::no_sanitize("thread")]] T atomically(T* p, T v, Change change) {
  if (in_kernel) access(p, sizeof(T), Access::kAtomic);
  const T old = *p;
  *p = change(old, v);
  return old;
}

}  // namespace emu

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  return emu::atomically(p, v, [](T a, T b) { return static_cast<T>(a + b); });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  return emu::atomically(p, v, [](T a, T b) { return std::max(a, b); });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> v) {
  return emu::atomically(p, v, [](T a, T b) { return std::min(a, b); });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> v) {
  return emu::atomically(p, v, [](T a, T b) { return static_cast<T>(a | b); });
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v) {
  return emu::atomically(p, v, [](T, T b) { return b; });
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

// The compiler shows the accesses of a memcpy that is one load and one store, but not of a call.
namespace ember::kernels {
template <class To, class From>
void memcpy(To* to, const From* from, size_t bytes) {
  if ((bytes > 16 || !std::has_single_bit(bytes)) && emu::in_kernel) {
    emu::access(from, bytes, emu::Access::kRead);
    emu::access(to, bytes, emu::Access::kWrite);
  }
  std::memcpy(static_cast<void*>(to), from, bytes);
}
}  // namespace ember::kernels
