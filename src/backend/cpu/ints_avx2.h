// SPDX-License-Identifier: Apache-2.0
// 16 integers of 32 bits in two AVX2 registers, each of which may stand for two of 16 bits.
#pragma once

#include "cpu/vec_avx2.h"

namespace ember::cpu::avx2 {
namespace {

struct Ints {
  __m256i a, b;
};

inline Ints load_ints(const void* p) {
  const auto* at = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
inline void store_ints(void* p, Ints x) {
  auto* at = static_cast<__m256i*>(p);
  _mm256_storeu_si256(at, x.a);
  _mm256_storeu_si256(at + 1, x.b);
}
inline Ints splat_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
// To the left by n bits, to the right where n is negative.
template <int n>
inline Ints shift(Ints x) {
  if constexpr (n >= 0)
    return {_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)};
  else
    return {_mm256_srli_epi32(x.a, -n), _mm256_srli_epi32(x.b, -n)};
}
inline Ints shift_right(Ints x, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_srl_epi32(x.a, count), _mm256_srl_epi32(x.b, count)};
}
inline Ints bits_and(Ints x, Ints y) {
  return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}
inline Ints bits_or(Ints x, Ints y) {
  return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}
inline Ints max_of(Ints x, Ints y) {
  return {_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b)};
}
// sum + x's two 16-bit numbers times y's, lane by lane.
inline Ints add_pairs(Ints sum, Ints x, Ints y) {
  return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(x.a, y.a)),
          _mm256_add_epi32(sum.b, _mm256_madd_epi16(x.b, y.b))};
}
// The 16-bit numbers.
inline Ints subtract_pairs(Ints x, Ints y) {
  return {_mm256_sub_epi16(x.a, y.a), _mm256_sub_epi16(x.b, y.b)};
}
inline Vec to_floats(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline Ints bits_of(Vec x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
// To nearest, even where that is undecided.
inline Ints round_to_ints(Vec x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
// Lanes that fit into 16 bits.
inline void store_shorts(int16_t* p, Ints x) {
  const __m256i packed = _mm256_packs_epi32(x.a, x.b);  // quarters 0 2 1 3
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}
inline __m128i load_quarter(const void* p) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(p));
}
inline Vec load(const uint8_t* p) {
  return to_floats(
      {_mm256_cvtepu8_epi32(load_quarter(p)), _mm256_cvtepu8_epi32(load_quarter(p + 8))});
}
inline Vec load(const int8_t* p) {
  return to_floats(
      {_mm256_cvtepi8_epi32(load_quarter(p)), _mm256_cvtepi8_epi32(load_quarter(p + 8))});
}

inline constexpr int kQuantizedRows = 4;  // at a time: 8 sums, 2 weights, 1 input in registers
inline constexpr int64_t kManyRows = 32;  // from so many on, expanding tiles pays
template <int R>
inline constexpr int kHalves = R == 1 ? 2 : 1;  // of a tile at a time, with R rows

}  // namespace
}  // namespace ember::cpu::avx2
