// SPDX-License-Identifier: Apache-2.0
// 16 integers of 32 bits in one AVX-512 register, each of which may stand for two of 16 bits.
#pragma once

#include "cpu/vec_avx512.h"

namespace ember::cpu::avx512 {
namespace {

struct Ints {
  __m512i v;
};

inline Ints load_ints(const void* p) { return {_mm512_loadu_si512(p)}; }
inline void store_ints(void* p, Ints a) { _mm512_storeu_si512(p, a.v); }
inline Ints splat_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
// To the left by n bits, to the right where n is negative.
template <int n>
inline Ints shift(Ints a) {
  if constexpr (n >= 0)
    return {_mm512_slli_epi32(a.v, n)};
  else
    return {_mm512_srli_epi32(a.v, -n)};
}
inline Ints shift_right(Ints a, int n) { return {_mm512_srl_epi32(a.v, _mm_cvtsi32_si128(n))}; }
inline Ints bits_and(Ints a, Ints b) { return {_mm512_and_si512(a.v, b.v)}; }
inline Ints bits_or(Ints a, Ints b) { return {_mm512_or_si512(a.v, b.v)}; }
inline Ints max_of(Ints a, Ints b) { return {_mm512_max_epi32(a.v, b.v)}; }
// sum + a's two 16-bit numbers times b's, lane by lane.
inline Ints add_pairs(Ints sum, Ints a, Ints b) {
#if defined(__AVX512VNNI__)
  return {_mm512_dpwssd_epi32(sum.v, a.v, b.v)};
#else
  return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
#endif
}
// The 16-bit numbers.
inline Ints subtract_pairs(Ints a, Ints b) { return {_mm512_sub_epi16(a.v, b.v)}; }
inline Vec to_floats(Ints a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline Ints bits_of(Vec a) { return {_mm512_castps_si512(a.v)}; }
// To nearest, even where that is undecided.
inline Ints round_to_ints(Vec a) { return {_mm512_cvtps_epi32(a.v)}; }
// The low 16 bits of each lane.
inline void store_shorts(int16_t* p, Ints a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a.v));
}
inline Vec load(const uint8_t* p) {
  return {_mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline Vec load(const int8_t* p) {
  return {_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

inline constexpr int kQuantizedRows = 4;  // at a time: 8 sums of either kind, 2 weights, 1 input
inline constexpr int64_t kManyRows = 32;  // from so many on, expanding tiles pays
template <int R>
inline constexpr int kHalves = 2;  // of a tile at a time, with R rows

}  // namespace
}  // namespace ember::cpu::avx512
