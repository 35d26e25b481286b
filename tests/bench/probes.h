// SPDX-License-Identifier: Apache-2.0
// What the machine can do at most, measured, so that benchmarks can report ratios within one run.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "cpu/isa.h"
#include "cpu/thread_pool.h"

namespace ember {

template <class Body>
double seconds_of(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Spread {
  double low, median, high;
};

inline Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

__attribute__((target("avx2"))) inline uint64_t sum_of(const uint64_t* p, size_t n) {
  __m256i sums[8] = {};
  for (size_t i = 0; i + 32 <= n; i += 32)
    for (size_t j = 0; j < 8; ++j)
      sums[j] = _mm256_add_epi64(
          sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i + 4 * j)));
  uint64_t total = 0;
  for (const __m256i& sum : sums) {
    uint64_t lanes[4];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum);
    total += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  return total;
}

// Bytes per second with which all threads together read `memory` once.
inline double read_rate(cpu::ThreadPool& pool, std::span<const uint64_t> memory) {
  const size_t pieces = static_cast<size_t>(pool.num_threads()) * 16, size = memory.size() / pieces;
  std::vector<uint64_t> sums(pieces);
  const double seconds = seconds_of([&] {
    pool.run(static_cast<int>(pieces), [&](int task, int) {
      const auto piece = static_cast<size_t>(task);
      sums[piece] = sum_of(memory.data() + piece * size, size);
    });
  });
  volatile uint64_t sink = sums[0];
  static_cast<void>(sink);
  return static_cast<double>(size * pieces * sizeof(uint64_t)) / seconds;
}

// Each of these keeps its units busy with multiply-adds between registers, and returns how many
// they were.
__attribute__((target("avx2,fma"))) inline double multiply_avx2(int rounds) {
  __m256 sums[12], x = _mm256_set1_ps(0.5f);
  for (__m256& sum : sums) sum = _mm256_set1_ps(1.0f);
  for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, x, x);
    __asm__ volatile("" : "+x"(x));
  }
  float out[8];
  for (int i = 1; i < 12; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  _mm256_storeu_ps(out, sums[0]);
  volatile float sink = out[0];
  static_cast<void>(sink);
  return 12.0 * 8 * rounds;
}

__attribute__((target("avx512f"))) inline double multiply_avx512(int rounds) {
  __m512 sums[16], x = _mm512_set1_ps(0.5f);
  for (__m512& sum : sums) sum = _mm512_set1_ps(1.0f);
  for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, x, x);
    __asm__ volatile("" : "+v"(x));
  }
  float out[16];
  for (int i = 1; i < 16; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  _mm512_storeu_ps(out, sums[0]);
  volatile float sink = out[0];
  static_cast<void>(sink);
  return 16.0 * 16 * rounds;
}

__attribute__((target("amx-tile,amx-bf16"))) inline double multiply_amx(int rounds) {
  // Eight tiles of 16 rows of 64 bytes.
  alignas(64) static constexpr uint8_t kConfig[64] = {
      1, 0,  0, 0,  0, 0,  0, 0,  0, 0,  0,  0,  0,  0,  0,  0,  64, 0, 64,
      0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0,  64, 0,  0,  0,  0,  0,  0, 0,
      0, 0,  0, 0,  0, 0,  0, 0,  0, 0,  16, 16, 16, 16, 16, 16, 16, 16};
  _tile_loadconfig(kConfig);
  for (int i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 4.0 * 16 * 16 * 32 * rounds;
}

// Multiply-adds per second of all threads: of floats with AVX2 or AVX-512, of bfloat16 with AMX.
inline double multiply_rate(cpu::ThreadPool& pool, cpu::Isa isa) {
  constexpr int kRounds = 400000;
  std::vector<double> done(static_cast<size_t>(pool.num_threads()));
  const double seconds = seconds_of([&] {
    pool.run(pool.num_threads(), [&](int task, int) {
      const auto multiply = isa == cpu::Isa::kAmx      ? multiply_amx
                            : isa == cpu::Isa::kAvx512 ? multiply_avx512
                                                       : multiply_avx2;
      done[static_cast<size_t>(task)] = multiply(kRounds);
    });
  });
  double total = 0;
  for (const double n : done) total += n;
  return total / seconds;
}

}  // namespace ember
