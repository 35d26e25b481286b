// SPDX-License-Identifier: Apache-2.0
// SplitMix64: a generator of 64-bit numbers whose state is a counter. Good for seeds and ids, not
// for secrets.
#pragma once

#include <cstdint>

namespace ember {

inline constexpr uint64_t kSplitMix64Step = 0x9e3779b97f4a7c15u;

// The finalizer: a bijection in which every bit of `x` changes about half the bits of the result.
constexpr uint64_t mix_bits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The generator's output in state `x`; its next state is x + kSplitMix64Step.
constexpr uint64_t splitmix64(uint64_t x) { return mix_bits(x + kSplitMix64Step); }

}  // namespace ember
