// SPDX-License-Identifier: Apache-2.0
// 16 floats in one AVX-512 register.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ember::cpu::avx512 {
namespace {  // nothing that is compiled for this instruction set is shared

struct Vec {
  __m512 v;
};

inline Vec zero() { return {_mm512_setzero_ps()}; }
inline Vec splat(float x) { return {_mm512_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
inline __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
inline Vec load_some(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
inline void store_some(float* p, Vec a, int64_t n) { _mm512_mask_storeu_ps(p, first(n), a.v); }

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
inline Vec load(const F16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
// The first or second of each of 16 pairs.
inline Vec load_first(const BF16* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))};
}
inline Vec load_second(const BF16* p) {
  return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(-65536)))};
}

inline Vec add(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec sub(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec mul(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec div(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec round(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a * 2^n for whole n in [-126, 127].
inline Vec scale2(Vec a, Vec n) {
  const __m512i exponent =
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23);
  return {_mm512_mul_ps(a.v, _mm512_castsi512_ps(exponent))};
}
// Lane by lane: x < limit ? otherwise : a.
inline Vec replace_below(Vec x, Vec limit, Vec a, Vec fallback) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ), a.v, fallback.v)};
}
// Lanes outside [begin, end) become `otherwise`.
inline Vec keep_lanes(Vec a, int64_t begin, int64_t end, Vec fallback) {
  return {_mm512_mask_blend_ps(static_cast<__mmask16>(((1u << end) - 1) & ~((1u << begin) - 1)),
                               fallback.v, a.v)};
}

// Lane i + 8 is added to lane i, then i + 4, i + 2 and i + 1.
inline float sum_lanes(Vec x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// Some number where lanes are NaN.
inline float max_lanes(Vec x) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// 24 sums, 4 weights and an input in 32 registers. Many rows: with 32 KiB of converted weights;
// below 48 rows that gains nothing for bfloat16, whose conversion is one instruction.
inline constexpr int kTileRows = 6, kTileBlocks = 2;
inline constexpr int kPanelTileRows = 6, kPanelTileVecs = 4, kPanelInputs = 128;
inline constexpr int kFewestPanelRows = 48;

inline constexpr int kAttentionTile = 8;  // rows; 16 sums, 4 keys or values, 1 other factor
template <int R>
inline constexpr int kAttentionVecs = R <= 4 ? 4 : 2;  // of keys or values, with R rows

}  // namespace
}  // namespace ember::cpu::avx512
