// SPDX-License-Identifier: Apache-2.0
// 16 integers of 32 bits in one AVX-512 register, each of which may stand for two of 16 bits
// or four of 8.
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
// What add_quads takes from codes that may have eight bits.
#if defined(__AVX512VNNI__)
inline constexpr int kTakenFromBytes = 0;
#else
inline constexpr int kTakenFromBytes = 128;
// sum + two numbers of 16 bits of each lane.
inline __m512i add_both(__m512i sum, __m512i pairs) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
// All bytes x: (x - 128) v = |x - 128| (v with its sign), two of which fit 16 bits.
inline __m512i add_four_bytes(__m512i sum, __m512i x, __m512i v) {
  const __m512i code = _mm512_xor_si512(x, _mm512_set1_epi8(-128));
  const __m512i signed_v =
      _mm512_mask_sub_epi8(v, _mm512_movepi8_mask(code), _mm512_setzero_si512(), v);
  return add_both(sum, _mm512_maddubs_epi16(_mm512_abs_epi8(code), signed_v));
}
#endif
// sum + x's four unsigned bytes times v's signed ones + y's times w's, lane by lane. Where `bytes`,
// x and y may have all eight bits, and kTakenFromBytes is taken from each; otherwise they are below
// 64, so that two products of either, 4 * 63 * 127, fit 16 bits.
template <bool bytes>
inline Ints add_quads(Ints sum, Ints x, Ints v, Ints y, Ints w) {
#if defined(__AVX512VNNI__)
  return {_mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum.v, x.v, v.v), y.v, w.v)};
#else
  if constexpr (bytes)
    return {add_four_bytes(add_four_bytes(sum.v, x.v, v.v), y.v, w.v)};
  else
    return {add_both(
        sum.v, _mm512_add_epi16(_mm512_maddubs_epi16(x.v, v.v), _mm512_maddubs_epi16(y.v, w.v)))};
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
// Lanes that fit into 8 bits; each eight of them in the order of quads (quantized_layout.h).
inline void store_bytes(int8_t* p, Ints a) {
  const __m128i order = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_shuffle_epi8(_mm512_cvtepi32_epi8(a.v), order));
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
