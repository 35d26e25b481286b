// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same for a seed on every machine, which the distributions of the
// standard library do not promise.
#pragma once

#include <cmath>
#include <cstdint>

#include "ember/base/splitmix64.h"

namespace ember {

// The sequence of SplitMix64. Not for secrets.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(mix_bits(seed)) {}

  uint64_t next() {
    const uint64_t value = splitmix64(state_);
    state_ += kSplitMix64Step;
    return value;
  }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // In [0, n); n > 0.
  uint64_t below(uint64_t n) { return static_cast<uint64_t>(uniform() * static_cast<double>(n)); }
  double exponential(double mean) { return -mean * std::log1p(-uniform()); }

 private:
  uint64_t state_;
};

}  // namespace ember
