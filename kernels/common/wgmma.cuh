// SPDX-License-Identifier: Apache-2.0
// wgmma: matrix products of a warpgroup (128 threads), asynchronous, operands in shared memory
// (sm_90a).
//
// wgmma_fence, then products, then wgmma_commit; the accumulators may be touched after a wgmma_wait
// that covers the group. Thread t of the warpgroup holds of the accumulator d[64 x N]: d[4j + e] is
// row 16 (t / 32) + (t % 32) / 4 + 8 (e / 2), column 8j + 2 (t % 4) + e % 2.
#pragma once

#include "kernels/common/ptx.cuh"

#if !defined(EMBER_EMULATE)

namespace ember::kernels {

EMBER_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
EMBER_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
template <int kPending>
EMBER_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// The compiler moves nothing that it does with these registers over this place. No instruction.
template <class T, int N>
EMBER_DEVICE void pin_registers(T (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if constexpr (std::is_array_v<T>)
      pin_registers(d[i]);
    else
      asm volatile("" : "+f"(d[i])::"memory");
  }
}

// The same for products whose accumulators are `d`. To the compiler a product is done with its
// registers at once: without their names it may put arithmetic on them before the wait.
template <class T, int N>
EMBER_DEVICE void wgmma_fence(T (&d)[N]) {
  pin_registers(d);
  wgmma_fence();
}
template <int kPending, class T, int N>
EMBER_DEVICE void wgmma_wait(T (&d)[N]) {
  wgmma_wait<kPending>();
  pin_registers(d);
}

// A matrix in shared memory as images [rows][kColumns] (kernels/common/layout.h). `stride` is the
// distance of groups of eight rows; `leading` that of images side by side, which only a transposed
// operand spans.
template <int kColumns>
EMBER_DEVICE uint64_t wgmma_descriptor(uint32_t address, uint32_t leading = 16,
                                       uint32_t stride = 8 * kColumns * 2) {
  static_assert(kColumns == 64 || kColumns == 32);
  const uint64_t swizzle = kColumns == 64 ? 1 : 2;
  return static_cast<uint64_t>((address & 0x3FFFF) >> 4) |
         static_cast<uint64_t>(leading >> 4) << 16 | static_cast<uint64_t>(stride >> 4) << 32 |
         swizzle << 62;
}

namespace wgmma_detail {

// "%0, %1, ..., %(n-1)", and the operands d[0] ... d[n-1].
#define EMBER_R4(a, b, c, d) "%" #a ", %" #b ", %" #c ", %" #d
#define EMBER_R_4 EMBER_R4(0, 1, 2, 3)
#define EMBER_R_8 EMBER_R_4 ", " EMBER_R4(4, 5, 6, 7)
#define EMBER_R_16 EMBER_R_8 ", " EMBER_R4(8, 9, 10, 11) ", " EMBER_R4(12, 13, 14, 15)
#define EMBER_R_32                                                                      \
  EMBER_R_16 ", " EMBER_R4(16, 17, 18, 19) ", " EMBER_R4(20, 21, 22, 23) ", " EMBER_R4( \
      24, 25, 26, 27) ", " EMBER_R4(28, 29, 30, 31)
#define EMBER_R_48                                                                      \
  EMBER_R_32 ", " EMBER_R4(32, 33, 34, 35) ", " EMBER_R4(36, 37, 38, 39) ", " EMBER_R4( \
      40, 41, 42, 43) ", " EMBER_R4(44, 45, 46, 47)
#define EMBER_R_64                                                                      \
  EMBER_R_48 ", " EMBER_R4(48, 49, 50, 51) ", " EMBER_R4(52, 53, 54, 55) ", " EMBER_R4( \
      56, 57, 58, 59) ", " EMBER_R4(60, 61, 62, 63)
#define EMBER_R_96                                                                                  \
  EMBER_R_64 ", " EMBER_R4(64, 65, 66, 67) ", " EMBER_R4(68, 69, 70, 71) ", " EMBER_R4(             \
      72, 73, 74,                                                                                   \
      75) ", " EMBER_R4(76, 77, 78,                                                                 \
                        79) ", " EMBER_R4(80, 81, 82,                                               \
                                          83) ", " EMBER_R4(84, 85, 86,                             \
                                                            87) ", " EMBER_R4(88, 89, 90,           \
                                                                              91) ", " EMBER_R4(92, \
                                                                                                93, \
                                                                                                94, \
                                                                                                95)
#define EMBER_R_128 \
  EMBER_R_96 ", " EMBER_R4(96, 97, 98, 99) ", " EMBER_R4(100, 101, 102, 103) ", " EMBER_R4(              \
      104, 105, 106,                                                                                     \
      107) ", " EMBER_R4(108, 109, 110,                                                                  \
                         111) ", " EMBER_R4(112, 113, 114,                                               \
                                            115) ", " EMBER_R4(116, 117, 118,                            \
                                                               119) ", " EMBER_R4(120, 121, 122,         \
                                                                                  123) ","               \
                                                                                       " " EMBER_R4(124, \
                                                                                                    125, \
                                                                                                    126, \
                                                                                                    127)
#define EMBER_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define EMBER_D16(i) EMBER_D4(i), EMBER_D4(i + 4), EMBER_D4(i + 8), EMBER_D4(i + 12)
#define EMBER_D_4 EMBER_D4(0)
#define EMBER_D_8 EMBER_D4(0), EMBER_D4(4)
#define EMBER_D_16 EMBER_D16(0)
#define EMBER_D_32 EMBER_D_16, EMBER_D16(16)
#define EMBER_D_48 EMBER_D_32, EMBER_D16(32)
#define EMBER_D_64 EMBER_D_48, EMBER_D16(48)
#define EMBER_D_128 EMBER_D_64, EMBER_D16(64), EMBER_D16(80), EMBER_D16(96), EMBER_D16(112)

#define EMBER_WGMMA_SS(N, COUNT, TYPE, A, B, KEEP)                                   \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #KEEP                            \
               ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE \
               " {" EMBER_R_##COUNT "}, %" #A ", %" #B ", p, 1, 1, 0, 0;\n}"         \
               : EMBER_D_##COUNT                                                     \
               : "l"(a), "l"(b), "r"(keep))
#define EMBER_WGMMA_RS(N, COUNT, TYPE, A0, A1, A2, A3, B, KEEP)                         \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #KEEP                               \
               ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE    \
               " {" EMBER_R_##COUNT "}, {%" #A0 ", %" #A1 ", %" #A2 ", %" #A3 "}, %" #B \
                                    ", p, 1, 1, 1;\n}"                                  \
               : EMBER_D_##COUNT                                                        \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep))
#define EMBER_SS(N, COUNT, A, B, KEEP)              \
  do {                                              \
    if constexpr (is_half<T>)                       \
      EMBER_WGMMA_SS(N, COUNT, "f16", A, B, KEEP);  \
    else                                            \
      EMBER_WGMMA_SS(N, COUNT, "bf16", A, B, KEEP); \
  } while (false)
#define EMBER_RS(N, COUNT, A0, A1, A2, A3, B, KEEP)              \
  do {                                                           \
    if constexpr (is_half<T>)                                    \
      EMBER_WGMMA_RS(N, COUNT, "f16", A0, A1, A2, A3, B, KEEP);  \
    else                                                         \
      EMBER_WGMMA_RS(N, COUNT, "bf16", A0, A1, A2, A3, B, KEEP); \
  } while (false)

}  // namespace wgmma_detail

// d[64 x N] = (keep ? d : 0) + a[64 x 16] b[N x 16]^T, both as rows of k in shared memory.
template <class T, int N>
EMBER_DEVICE void wgmma_ss(float* d, uint64_t a, uint64_t b, int keep) {
  if constexpr (N == 8)
    EMBER_SS(8, 4, 4, 5, 6);
  else if constexpr (N == 16)
    EMBER_SS(16, 8, 8, 9, 10);
  else if constexpr (N == 32)
    EMBER_SS(32, 16, 16, 17, 18);
  else if constexpr (N == 64)
    EMBER_SS(64, 32, 32, 33, 34);
  else if constexpr (N == 128)
    EMBER_SS(128, 64, 64, 65, 66);
  else if constexpr (N == 256)
    EMBER_SS(256, 128, 128, 129, 130);
  else
    static_assert(N == 0, "no such product");
}

// d[64 x N] = (keep ? d : 0) + a[64 x 16] b[16 x N]: a in registers, b as rows of n in shared
// memory.
template <class T, int N>
EMBER_DEVICE void wgmma_rs_transposed(float* d, const uint32_t* a, uint64_t b, int keep) {
  if constexpr (N == 64)
    EMBER_RS(64, 32, 32, 33, 34, 35, 36, 37);
  else if constexpr (N == 96)
    EMBER_RS(96, 48, 48, 49, 50, 51, 52, 53);
  else if constexpr (N == 128)
    EMBER_RS(128, 64, 64, 65, 66, 67, 68, 69);
  else if constexpr (N == 256)
    EMBER_RS(256, 128, 128, 129, 130, 131, 132, 133);
  else
    static_assert(N == 0, "no such product");
}

}  // namespace ember::kernels

#endif  // !EMBER_EMULATE
