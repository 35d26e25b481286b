// SPDX-License-Identifier: Apache-2.0
// 16 floats in two AVX2 registers.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ember::cpu::avx2 {
namespace {  // nothing that is compiled for this instruction set is shared

struct Vec {
  __m256 a, b;
};

inline Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Vec x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline __m256i first8(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_some(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, first8(n)), _mm256_maskload_ps(p + 8, first8(n - 8))};
}
inline void store_some(float* p, Vec x, int64_t n) {
  _mm256_maskstore_ps(p, first8(n), x.a);
  _mm256_maskstore_ps(p + 8, first8(n - 8), x.b);
}

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
inline __m128i load8(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline Vec load(const F16* p) { return {_mm256_cvtph_ps(load8(p)), _mm256_cvtph_ps(load8(p + 8))}; }
inline __m256i load_pairs(const BF16* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline __m256 first_of(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
inline __m256 second_of(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
}
// The first or second of each of 16 pairs.
inline Vec load_first(const BF16* p) {
  return {first_of(load_pairs(p)), first_of(load_pairs(p + 16))};
}
inline Vec load_second(const BF16* p) {
  return {second_of(load_pairs(p)), second_of(load_pairs(p + 16))};
}

inline Vec add(Vec x, Vec y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline Vec sub(Vec x, Vec y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline Vec mul(Vec x, Vec y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline Vec div(Vec x, Vec y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline Vec fma(Vec x, Vec y, Vec z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Vec min(Vec x, Vec y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline Vec max(Vec x, Vec y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline __m256 round8(__m256 x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec round(Vec x) { return {round8(x.a), round8(x.b)}; }
inline __m256 scale8(__m256 x, __m256 n) {
  return _mm256_mul_ps(x,
                       _mm256_castsi256_ps(_mm256_slli_epi32(
                           _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)));
}
// x * 2^n for whole n in [-126, 127].
inline Vec scale2(Vec x, Vec n) { return {scale8(x.a, n.a), scale8(x.b, n.b)}; }
inline __m256 replace8(__m256 x, __m256 limit, __m256 y, __m256 fallback) {
  return _mm256_blendv_ps(y, fallback, _mm256_cmp_ps(x, limit, _CMP_LT_OQ));
}
// Lane by lane: x < limit ? otherwise : y.
inline Vec replace_below(Vec x, Vec limit, Vec y, Vec fallback) {
  return {replace8(x.a, limit.a, y.a, fallback.a), replace8(x.b, limit.b, y.b, fallback.b)};
}
inline __m256 keep8(__m256 x, int64_t begin, int64_t end, __m256 fallback) {
  return _mm256_blendv_ps(fallback, x,
                          _mm256_castsi256_ps(_mm256_andnot_si256(first8(begin), first8(end))));
}
// Lanes outside [begin, end) become `otherwise`.
inline Vec keep_lanes(Vec x, int64_t begin, int64_t end, Vec fallback) {
  return {keep8(x.a, begin, end, fallback.a), keep8(x.b, begin - 8, end - 8, fallback.b)};
}

// Lane i + 8 is added to lane i, then i + 4, i + 2 and i + 1.
inline float sum_lanes(Vec x) {
  const __m256 eight = _mm256_add_ps(x.a, x.b);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// Some number where lanes are NaN.
inline float max_lanes(Vec x) {
  const __m256 eight = _mm256_max_ps(x.a, x.b);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// A few rows: 12 sums and 4 weights in 16 registers. Many: 12 sums, 2 weights and an input, with 16
// KiB of converted weights in the first cache.
inline constexpr int kTileRows = 3, kTileBlocks = 1;
inline constexpr int kPanelTileRows = 6, kPanelTileVecs = 1, kPanelInputs = 64;
inline constexpr int kFewestPanelRows = 12;

inline constexpr int kAttentionTile = 6;  // rows; 12 sums, 2 keys or values, 1 other factor
template <int R>
inline constexpr int kAttentionVecs = R == 1   ? 4
                                      : R == 2 ? 2
                                               : 1;  // of keys or values, with R rows

}  // namespace
}  // namespace ember::cpu::avx2
