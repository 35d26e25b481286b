// SPDX-License-Identifier: Apache-2.0
// The functions of kernels/common/ptx.cuh on the emulated machine. What orders memory knows where
// it is called (sites.h).
#pragma once

#include <type_traits>

#include "cuda_language.h"
#include "tensor.h"

namespace ember::kernels {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, __half>;

uint32_t shared_address(const void* p);

void wait_for_dependencies(emu::Where where = emu::Where::current());
void launch_dependents();

void mbarrier_init(uint32_t barrier, int arrivals);
void fence_barrier_init(emu::Where where = emu::Where::current());
void mbarrier_arrive(uint32_t barrier, emu::Where where = emu::Where::current());
void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes,
                            emu::Where where = emu::Where::current());
void mbarrier_wait(uint32_t barrier, int parity, emu::Where where = emu::Where::current());

void cp_async_16(uint32_t to, const void* from, bool valid = true);
void cp_async_commit();
void cp_async_wait_pending(int pending, emu::Where where);
template <int kPending>
void cp_async_wait(emu::Where where = emu::Where::current()) {
  cp_async_wait_pending(kPending, where);
}
void cp_async_mbarrier_arrive(uint32_t barrier);

void fence_proxy_async(emu::Where where = emu::Where::current());
inline uint64_t policy_evict_normal() { return 0; }
void bulk_load(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier, uint64_t policy);
void tma_load_3d(uint32_t to, const CUtensorMap* map, int x, int y, int z, uint32_t barrier,
                 uint64_t policy);
inline void tma_load_2d(uint32_t to, const CUtensorMap* map, int x, int y, uint32_t barrier,
                        uint64_t policy) {
  tma_load_3d(to, map, x, y, 0, barrier, policy);
}
void tma_load_2d_multicast(uint32_t to, const CUtensorMap* map, int x, int y, uint32_t barrier,
                           uint16_t ctas, uint64_t policy);
inline void prefetch_tensor_map(const CUtensorMap*) {}

void named_barrier_sync(int id, int threads, emu::Where where = emu::Where::current());
void named_barrier_arrive(int id, int threads, emu::Where where = emu::Where::current());
template <int kRegisters>
void registers_increase() {}
template <int kRegisters>
void registers_decrease() {}
template <class T>
T opaque(T v) {
  return v;
}
inline int warp_uniform(int v) { return __shfl_sync(~0u, v, 0); }

void cluster_arrive(emu::Where where = emu::Where::current());
void cluster_wait(emu::Where where = emu::Where::current());
void cluster_sync(emu::Where where = emu::Where::current());
void mbarrier_arrive_peer(uint32_t barrier, int rank, emu::Where where = emu::Where::current());
void mbarrier_wait_cluster(uint32_t barrier, int parity, emu::Where where = emu::Where::current());
void* peer_address(void* mine, int rank);
template <class T>
T* peer_shared(T* mine, int rank) {
  return static_cast<T*>(peer_address(mine, rank));
}
float4 load_peer_float4(uint32_t address, int rank);

void ldmatrix_x4(uint32_t address, uint32_t* r);
void ldmatrix_x4_trans(uint32_t address, uint32_t* r);
uint32_t movmatrix_trans(uint32_t v);
// As floats: [16 x 8] += [16 x 16] [16 x 8], of float16 or bfloat16.
void multiply_16x8x16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1, bool half);
template <class T>
void mma_16x8x16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
  multiply_16x8x16(c, a, b0, b1, is_half<T>);
}

inline float exp2_approx(float v) { return exp2f(v); }

}  // namespace ember::kernels
