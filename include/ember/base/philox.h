// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): random
// numbers as a function of a counter. Every device that samples draws from here, so that a seed
// means the same tokens everywhere.
#pragma once

#include <cstdint>

namespace ember {

struct PhiloxWords {
  uint32_t word[4];
};

constexpr PhiloxWords philox(PhiloxWords counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter.word[0],
                   b = uint64_t{0xCD9E8D57} * counter.word[2];
    counter = {{static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(b),
                static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(a)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The noise of tokens 2 * pair (words 0 and 1) and 2 * pair + 1 (words 2 and 3) in a draw.
constexpr PhiloxWords noise_of_pair(uint64_t seed, uint64_t position, uint32_t pair) {
  return philox({{pair, static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0}},
                static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

// Uniform in (0, 1), 52 bits and one half: neither 0 nor 1 can come out, for the sum is exact.
constexpr double uniform_of_words(uint32_t high, uint32_t low) {
  return (static_cast<double>((uint64_t{high} << 20) | (low >> 12)) + 0.5) * 0x1p-52;
}

constexpr double uniform(uint64_t seed, uint64_t position, uint32_t token) {
  const PhiloxWords r = noise_of_pair(seed, position, token / 2);
  return token % 2 == 0 ? uniform_of_words(r.word[0], r.word[1])
                        : uniform_of_words(r.word[2], r.word[3]);
}

}  // namespace ember
