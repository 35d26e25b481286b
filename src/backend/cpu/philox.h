// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): random numbers as a function of a counter.
#pragma once

#include <array>
#include <cstdint>

namespace ember::cpu {

inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0], b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// Uniform in (0, 1), 53 bits.
inline double uniform(uint64_t seed, uint64_t position, uint32_t token) {
  const auto word = [](uint64_t value, int i) { return static_cast<uint32_t>(value >> (32 * i)); };
  const auto r = philox({token, word(position, 0), word(position, 1), 0}, {word(seed, 0), word(seed, 1)});
  const uint64_t bits = (uint64_t{r[0]} << 21) ^ (r[1] >> 11);
  return (static_cast<double>(bits) + 0.5) * 0x1p-53;
}

}  // namespace ember::cpu
