// SPDX-License-Identifier: Apache-2.0
// Cuts through a row of logits: the k most likely, the most likely that hold a share of the mass,
// without a sort.
#pragma once

#include "kernels/sample_team.cuh"

namespace ember::kernels {

// A float as an unsigned integer of the same order; both zeros are equal.
EMBER_DEVICE uint32_t key_of(float v) {
  const uint32_t bits = __float_as_uint(v + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
EMBER_DEVICE float value_of_key(uint32_t key) {
  return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// Likelier first: the greater logit, then the lower id. No two tokens of a row have the same code.
EMBER_DEVICE uint64_t code_of(float v, int token) {
  return uint64_t{key_of(v)} << 32 | ~static_cast<uint32_t>(token);
}
EMBER_DEVICE float value_of(uint64_t code) {
  return value_of_key(static_cast<uint32_t>(code >> 32));
}
EMBER_DEVICE int token_of(uint64_t code) { return static_cast<int>(~static_cast<uint32_t>(code)); }

inline constexpr uint64_t kNothing = 0;  // below every code
inline constexpr uint64_t kLeastFinite =
    uint64_t{0x00800000} << 32;  // codes of minus infinity are below, all others are not

// The part of a row that one CTA works on: tokens first .. first + size - 1.
struct Slice {
  const float* values = nullptr;
  int first = 0, size = 0;
  bool aligned = false;  // to 16 bytes
};

// f(i, v) for this thread's groups of four neighbours i .. i+3 of the slice; minus infinity where
// there is none.
template <class Team, class F>
EMBER_DEVICE void each_four(const Team& team, const Slice& slice, F f) {
  constexpr int kAhead = 4;  // loads in flight
  for (int base = 4 * team.thread(); base < slice.size; base += 4 * kAhead * Team::kThreads) {
    float v[kAhead][4];
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int i = base + a * 4 * Team::kThreads;
      if (slice.aligned && i + 4 <= slice.size) {
        const float4 four = *reinterpret_cast<const float4*>(slice.values + i);
        v[a][0] = four.x, v[a][1] = four.y, v[a][2] = four.z, v[a][3] = four.w;
      } else {
        for (int j = 0; j < 4; ++j) v[a][j] = i + j < slice.size ? slice.values[i + j] : -INFINITY;
      }
    }
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int i = base + a * 4 * Team::kThreads;
      if (i < slice.size) f(i, v[a]);
    }
  }
}

// f(code, v) for this thread's tokens of the slice.
template <class Team, class F>
EMBER_DEVICE void each_token(const Team& team, const Slice& slice, F f) {
  each_four(team, slice, [&](int i, const float(&v)[4]) {
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (i + j < slice.size) f(code_of(v[j], slice.first + i + j), v[j]);
  });
}

// What a cut divides. Integers, so that no sum depends on its order.
struct ByCount {
  static constexpr bool kIsCount = true;
  __device__ uint64_t operator()(float) const { return 1; }
};
struct ByMass {
  static constexpr bool kIsCount = false;
  float max_logit, inverse;  // the greatest logit, 1 / temperature
  __device__ uint64_t operator()(float v) const {
    return __float2ull_rn(expf((v - max_logit) * inverse) * 0x1p40f);
  }
};

template <class Team>
struct SearchShared {
  static constexpr int kBins = 512, kListed = 256;
  union {
    struct {
      uint32_t count[kBins], low[kBins], high[kBins];
    } bins;
    struct {
      uint64_t mine[kListed], all[kListed], measure[kListed];
    } list;
  };
  uint64_t warp_sums[32];
  uint64_t above, cut;
  uint32_t population, bin, listed;
};

// The codes in [low, high) with a measure, of all CTAs, in list.all of each of them. There are at
// most kListed, in any order.
template <class Team, class Measure>
EMBER_DEVICE int list_codes(const Team& team, SearchShared<Team>& shared, const Slice& slice,
                            Measure measure, uint64_t low, uint64_t high) {
  if (team.thread() == 0) shared.listed = 0;
  __syncthreads();
  each_token(team, slice, [&](uint64_t code, float v) {
    if (code < low || code >= high || measure(v) == 0) return;
    const uint32_t at = atomicAdd(&shared.listed, 1u);
    if (at < SearchShared<Team>::kListed) shared.list.mine[at] = code;
  });
  team.sync();
  int n = 0;
  for (int other = 0; other < Team::kCtas; ++other) {
    const int count = static_cast<int>(*team.of(other, &shared.listed));
    const uint64_t* theirs = team.of(other, shared.list.mine);
    for (int i = team.thread(); i < count; i += Team::kThreads) shared.list.all[n + i] = theirs[i];
    n += count;
  }
  team.sync();  // no list is reused while another CTA reads it
  return n;
}

// One CTA's share of a histogram of [low, high): bin = (code - low) >> shift.
template <class Team, class Measure>
EMBER_DEVICE void fill_bins(const Team& team, SearchShared<Team>& shared, const Slice& slice,
                            Measure measure, uint64_t low, uint64_t high, int shift) {
  for (int i = team.thread(); i < SearchShared<Team>::kBins; i += Team::kThreads)
    shared.bins.count[i] = shared.bins.low[i] = shared.bins.high[i] = 0;
  __syncthreads();
  each_token(team, slice, [&](uint64_t code, float v) {
    if (code < low || code >= high) return;
    const uint64_t m = measure(v);
    if (m == 0) return;
    const auto bin = static_cast<uint32_t>((code - low) >> shift);
    atomicAdd(&shared.bins.count[bin], 1u);
    if constexpr (!Measure::kIsCount) {  // a 64-bit sum in two words, the carry of the lower from
                                         // what was there
      const auto low_word = static_cast<uint32_t>(m);
      const uint32_t before = atomicAdd(&shared.bins.low[bin], low_word);
      const uint32_t high_word =
          static_cast<uint32_t>(m >> 32) + (before + low_word < before ? 1u : 0u);
      if (high_word != 0) atomicAdd(&shared.bins.high[bin], high_word);
    }
  });
}

// Finds the bin in which the measure, summed from the top, reaches `target`; leaves bin, population
// and the measure above it in `shared`.
template <class Team, class Measure>
EMBER_DEVICE void find_bin(const Team& team, SearchShared<Team>& shared, uint64_t above,
                           uint64_t target) {
  constexpr int kPerThread = SearchShared<Team>::kBins / Team::kThreads > 0
                                 ? SearchShared<Team>::kBins / Team::kThreads
                                 : 1;
  const int top = SearchShared<Team>::kBins - 1 -
                  team.thread() * kPerThread;  // this thread's bins: top, top - 1, ...
  uint32_t count[kPerThread];
  uint64_t sum[kPerThread], total = 0;
#pragma unroll
  for (int j = 0; j < kPerThread; ++j) {
    count[j] = 0;
    sum[j] = 0;
    for (int other = 0; other < Team::kCtas && top - j >= 0; ++other) {
      const auto* bins = team.of(other, &shared.bins);
      count[j] += bins->count[top - j];
      if constexpr (!Measure::kIsCount)
        sum[j] += (uint64_t{bins->high[top - j]} << 32) + bins->low[top - j];
    }
    if constexpr (Measure::kIsCount) sum[j] = count[j];
    total += sum[j];
  }
  uint64_t upto = total;  // inclusive sum over the threads before and this one
  for (int offset = 1; offset < 32; offset *= 2) {
    const uint64_t other = __shfl_up_sync(~0u, upto, offset);
    if (team.lane() >= offset) upto += other;
  }
  if (team.lane() == 31) shared.warp_sums[team.warp()] = upto;
  __syncthreads();
  uint64_t before = above + upto - total;
  for (int w = 0; w < team.warp(); ++w) before += shared.warp_sums[w];
#pragma unroll
  for (int j = 0; j < kPerThread; ++j) {
    if (before < target && target <= before + sum[j]) {
      shared.bin = static_cast<uint32_t>(top - j);
      shared.above = before;
      shared.population = count[j];
    }
    before += sum[j];
  }
  team.sync();  // the result is written, and no histogram is read that will be overwritten
}

// The greatest code in [low, high) such that the codes from it up to `high` have a measure of at
// least `target`, which all of them together have. `population`: how many codes of [low, high)
// there are at most.
template <class Team, class Measure>
EMBER_DEVICE uint64_t find_cut(const Team& team, SearchShared<Team>& shared, const Slice& slice,
                               Measure measure, uint64_t low, uint64_t high, uint32_t population,
                               uint64_t target) {
  using Shared = SearchShared<Team>;
  constexpr int kMaxPasses = 8;  // each takes 9 bits of the distance of low and high
  uint64_t above = 0;
  for (int pass = 0; pass < kMaxPasses && population > Shared::kListed; ++pass) {
    int shift = 0;
    while ((high - 1 - low) >> shift >= Shared::kBins) ++shift;
    fill_bins(team, shared, slice, measure, low, high, shift);
    team.sync();
    find_bin<Team, Measure>(team, shared, above, target);
    above = shared.above;
    population = shared.population;
    low += uint64_t{shared.bin} << shift;
    if (high - low > uint64_t{1} << shift) high = low + (uint64_t{1} << shift);
  }
  const int n = list_codes(team, shared, slice, measure, low, high);
  for (int i = team.thread(); i < n; i += Team::kThreads)
    shared.list.measure[i] = measure(value_of(shared.list.all[i]));
  __syncthreads();
  for (int i = team.thread(); i < n; i += Team::kThreads) {
    uint64_t before = above;
    for (int j = 0; j < n; ++j)
      if (shared.list.all[j] > shared.list.all[i]) before += shared.list.measure[j];
    if (before < target && target <= before + shared.list.measure[i])
      shared.cut = shared.list.all[i];
  }
  __syncthreads();
  return shared.cut;
}

// The cut that keeps every finite logit v with accept(v), which is true for `most` and everything
// between it and a value for which it is true.
template <class Team, class Accept>
EMBER_DEVICE uint64_t find_value_cut(const Team& team, SearchShared<Team>& shared, float max_logit,
                                     Accept accept) {
  __syncthreads();  // an earlier cut has been read
  if (team.warp() == 0) {
    uint32_t low = static_cast<uint32_t>(kLeastFinite >> 32),
             high = key_of(max_logit);  // the least accepted key is in [low, high]
    while (low < high) {
      const uint32_t step = (high - low) / 32 + 1;
      const uint32_t key = high - low < step * static_cast<uint32_t>(team.lane())
                               ? high
                               : low + step * static_cast<uint32_t>(team.lane());
      const uint32_t accepted = __ballot_sync(~0u, accept(value_of_key(key)));
      const int first = __ffs(static_cast<int>(accepted)) - 1;  // -1: none
      const uint32_t base = low;
      const auto pivot = [&](int i) {
        return high - base < step * static_cast<uint32_t>(i)
                   ? high
                   : base + step * static_cast<uint32_t>(i);
      };
      const uint32_t above = first == 0 ? low : pivot(first < 0 ? 31 : first - 1) + 1;
      high = first < 0 ? high : pivot(first);
      low = above < high ? above : high;
    }
    if (team.lane() == 0) shared.cut = uint64_t{high} << 32;
  }
  __syncthreads();
  return shared.cut;
}

}  // namespace ember::kernels
