// SPDX-License-Identifier: Apache-2.0
// Every PTX instruction that kernels use, each behind one small function. With EMBER_EMULATE the
// same functions come from tests/kernels/emulator. Functions marked sm_90 may be called by kernels
// compiled for sm_90a only.
//
// Addresses of shared memory are 32-bit (shared_address); barriers are mbarriers, 8 bytes each,
// waited for by the parity of their phase.
#pragma once

#include "kernels/emulation.h"

#if !defined(EMBER_EMULATE)

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "kernels/common/patience.h"

#define EMBER_DEVICE __device__ __forceinline__
// The kernel's dynamic shared memory, a uint8_t array that begins at a multiple of 1024 bytes.
#define EMBER_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) uint8_t name[]

namespace ember::kernels {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, __half>;

EMBER_DEVICE uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// --- programmatic dependent launch
// ---------------------------------------------------------------------------------------------

// Returns when every kernel before this one has ended and its writes are visible.
EMBER_DEVICE void wait_for_dependencies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel begin; it still waits for this one's end before it reads.
EMBER_DEVICE void launch_dependents() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// --- mbarriers
// -----------------------------------------------------------------------------------------------------------------

EMBER_DEVICE void mbarrier_init(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

// Makes initialised barriers visible to the other CTAs of the cluster and to asynchronous copies.
// sm_90
EMBER_DEVICE void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

EMBER_DEVICE void mbarrier_arrive(uint32_t barrier) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(barrier)
               : "memory");
}

// Arrives, and has the phase wait for so many more bytes of asynchronous copies. sm_90
EMBER_DEVICE void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

EMBER_DEVICE bool mbarrier_test(uint32_t barrier, int parity) {
  uint32_t done;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, "
      "p;\n}"
      : "=r"(done)
      : "r"(barrier), "r"(parity)
      : "memory");
#else
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.test_wait.parity.shared.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, "
      "p;\n}"
      : "=r"(done)
      : "r"(barrier), "r"(parity)
      : "memory");
#endif
  return done != 0;
}

// Of 2^32 ns each.
EMBER_DEVICE uint32_t clock_ticks() {
  uint32_t now;
  asm volatile("mov.u32 %0, %%globaltimer_hi;" : "=r"(now));
  return now;
}

// Asks until it is so. What never comes, as the arrivals at a barrier of which one is lost, becomes
// an error of the launch, not a hang.
template <class Test>
EMBER_DEVICE void ask_until(Test test) {
  if (test()) return;
  for (Patience patience; !test();)
    if (patience.looks() && patience.ends(clock_ticks())) __trap();
}

// Waits for the end of the phase of this parity.
EMBER_DEVICE void mbarrier_wait(uint32_t barrier, int parity) {
  ask_until([=] { return mbarrier_test(barrier, parity); });
}

// --- asynchronous copies, sm_80
// --------------------------------------------------------------------------------------------------

// 16 bytes from global to shared memory, zeros where `valid` is false (the source is not read
// then).
EMBER_DEVICE void cp_async_16(uint32_t to, const void* from, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
}

EMBER_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most kPending of this thread's groups are in flight.
template <int kPending>
EMBER_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Arrives on the barrier, as one of its expected arrivals, when this thread's copies so far have
// landed.
EMBER_DEVICE void cp_async_mbarrier_arrive(uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

// --- asynchronous copies, sm_90
// --------------------------------------------------------------------------------------------------

// Orders this thread's view of global memory, written by ordinary stores, before its asynchronous
// copies from it.
EMBER_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.global;" ::: "memory"); }

// L2 eviction policies of copies.
EMBER_DEVICE uint64_t policy_evict_normal() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// Contiguous bytes, a multiple of 16, from global to shared memory; they count for the barrier's
// phase.
EMBER_DEVICE void bulk_load(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier,
                            uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], "
      "[%1], %2, [%3], %4;" ::"r"(to),
      "l"(from), "r"(bytes), "r"(barrier), "l"(policy)
      : "memory");
}

// The box of a tensor map (kernels/common/tensor_map.h) at coordinate x (innermost), y, z; zeros
// outside the tensor.
EMBER_DEVICE void tma_load_2d(uint32_t to, const CUtensorMap* map, int x, int y, uint32_t barrier,
                              uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1, {%2, %3}], [%4], %5;" ::"r"(to),
      "l"(map), "r"(x), "r"(y), "r"(barrier), "l"(policy)
      : "memory");
}

EMBER_DEVICE void tma_load_3d(uint32_t to, const CUtensorMap* map, int x, int y, int z,
                              uint32_t barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1, {%2, %3, %4}], [%5], %6;" ::"r"(to),
      "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier), "l"(policy)
      : "memory");
}

// The same box for every CTA of the cluster whose bit is set in `ctas`: at the same place of its
// shared memory, and counted by its own barrier there.
EMBER_DEVICE void tma_load_2d_multicast(uint32_t to, const CUtensorMap* map, int x, int y,
                                        uint32_t barrier, uint16_t ctas, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::"
      "cluster.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5, %6;" ::"r"(to),
      "l"(map), "r"(x), "r"(y), "r"(barrier), "h"(ctas), "l"(policy)
      : "memory");
}

EMBER_DEVICE void prefetch_tensor_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// --- barriers and registers of warpgroups
// ------------------------------------------------------------------------------------------

EMBER_DEVICE void named_barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
EMBER_DEVICE void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

template <int kRegisters>
EMBER_DEVICE void registers_increase() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
EMBER_DEVICE void registers_decrease() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// The same value, but the compiler does not know that. What is computed from it is computed behind
// this place, and keeps no registers from what comes before.
EMBER_DEVICE int opaque(int v) {
  asm volatile("" : "+r"(v));
  return v;
}
EMBER_DEVICE int64_t opaque(int64_t v) {
  asm volatile("" : "+l"(v));
  return v;
}

// Tells the compiler that a value is the same in all lanes of the warp.
EMBER_DEVICE int warp_uniform(int v) { return __shfl_sync(~0u, v, 0); }

// --- clusters, sm_90
// -----------------------------------------------------------------------------------------------------------------

EMBER_DEVICE void cluster_arrive() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#endif
}
EMBER_DEVICE void cluster_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}
// All threads of all CTAs of the cluster; what they wrote to shared memory before is seen after.
EMBER_DEVICE void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}

// Arrives on the same barrier of CTA `rank` of the cluster, whose threads wait for it by
// mbarrier_wait_cluster.
EMBER_DEVICE void mbarrier_arrive_peer(uint32_t barrier, int rank) {
  asm volatile(
      "{\n.reg .b32 peer;\nmapa.shared::cluster.u32 peer, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [peer];\n}" ::"r"(barrier),
      "r"(rank)
      : "memory");
}

// mbarrier_wait, for arrivals from all over the cluster.
EMBER_DEVICE void mbarrier_wait_cluster(uint32_t barrier, int parity) {
  ask_until([=] {
    uint32_t done;
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], "
        "%2;\nselp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(barrier), "r"(parity)
        : "memory");
    return done != 0;
  });
}

// The same variable in the shared memory of CTA `rank` of the cluster.
template <class T>
EMBER_DEVICE T* peer_shared(T* mine, int rank) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint64_t address;
  asm volatile("mapa.u64 %0, %1, %2;" : "=l"(address) : "l"(mine), "r"(rank));
  return reinterpret_cast<T*>(address);
#else
  return mine;
#endif
}

EMBER_DEVICE float4 load_peer_float4(uint32_t address, int rank) {
  uint32_t remote;
  float4 v;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(address), "r"(rank));
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(remote)
               : "memory");
  return v;
}

// --- tensor cores of a warp
// -----------------------------------------------------------------------------------------------------------

// Four 8x8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
EMBER_DEVICE void ldmatrix_x4(uint32_t address, uint32_t* r) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
EMBER_DEVICE void ldmatrix_x4_trans(uint32_t address, uint32_t* r) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// Transposes an 8x8 matrix of 16-bit elements held by the warp, two of a row in each lane.
EMBER_DEVICE uint32_t movmatrix_trans(uint32_t v) {
  uint32_t t;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(t) : "r"(v));
  return t;
}

// c[16 x 8] += a[16 x 16] b[16 x 8].
template <class T>
EMBER_DEVICE void mma_16x8x16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
  if constexpr (is_half<T>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

EMBER_DEVICE float exp2_approx(float v) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(v));
  return y;
}

}  // namespace ember::kernels

#endif  // !EMBER_EMULATE
