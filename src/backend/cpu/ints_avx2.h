// SPDX-License-Identifier: Apache-2.0
// 16 integers of 32 bits in two AVX2 registers, each of which may stand for two of 16 bits
// or four of 8.
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
// What add_quads takes from codes that may have eight bits.
inline constexpr int kTakenFromBytes = 128;
// x times v and y times w for bytes x and y below 64: a sum of 16 bits is at most 4 * 63 * 127.
inline __m256i add_four(__m256i sum, __m256i x, __m256i v, __m256i y, __m256i w) {
  const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(x, v), _mm256_maddubs_epi16(y, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// The same for all bytes x: (x - 128) v = |x - 128| (v with its sign), two of which fit 16 bits.
inline __m256i add_four_bytes(__m256i sum, __m256i x, __m256i v) {
  const __m256i code = _mm256_xor_si256(x, _mm256_set1_epi8(-128));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(v, code));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// sum + x's four unsigned bytes times v's signed ones + y's times w's, lane by lane. Where `bytes`,
// x and y may have all eight bits, and 128 is taken from each; otherwise they are below 64.
template <bool bytes>
inline Ints add_quads(Ints sum, Ints x, Ints v, Ints y, Ints w) {
  if constexpr (bytes)
    return {add_four_bytes(add_four_bytes(sum.a, x.a, v.a), y.a, w.a),
            add_four_bytes(add_four_bytes(sum.b, x.b, v.b), y.b, w.b)};
  else
    return {add_four(sum.a, x.a, v.a, y.a, w.a), add_four(sum.b, x.b, v.b, y.b, w.b)};
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
// Lanes that fit into 8 bits; each eight of them in the order of quads (quantized_layout.h).
inline void store_bytes(int8_t* p, Ints x) {
  const __m256i shorts = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
  const __m128i order = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_shuffle_epi8(bytes, order));
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
