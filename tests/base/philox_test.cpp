// SPDX-License-Identifier: Apache-2.0
#include "ember/base/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace ember {
namespace {

void expect_words(const PhiloxWords& got, const PhiloxWords& expected) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(got.word[i], expected.word[i]) << i;
}

TEST(Philox, KnownAnswers) {  // Random123's kat_vectors
  expect_words(philox({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  expect_words(philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u),
               {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  expect_words(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
               {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST(Philox, UniformIsNeitherZeroNorOne) {
  static_assert(uniform_of_words(~0u, ~0u) < 1.0);
  static_assert(uniform_of_words(0, 0) > 0.0);
  EXPECT_TRUE(std::isfinite(-std::log(-std::log(uniform_of_words(~0u, ~0u)))));
  EXPECT_TRUE(std::isfinite(-std::log(-std::log(uniform_of_words(0, 0)))));
}

TEST(Philox, UniformDependsOnSeedPositionAndToken) {
  std::set<double> seen;
  for (const uint64_t seed : {0ull, 1ull, 1ull << 32, 1ull << 63})
    for (const uint64_t position : {0ull, 1ull, 1ull << 32, ~0ull})
      for (uint32_t token = 0; token < 8; ++token) seen.insert(uniform(seed, position, token));
  EXPECT_EQ(seen.size(), 4u * 4u * 8u);
}

TEST(Philox, UniformIsUniform) {
  constexpr int kBins = 64, kDraws = 64000;
  std::vector<int> even(kBins), odd(kBins);
  for (uint32_t token = 0; token < kDraws; ++token)
    ++(token % 2 == 0 ? even : odd)[static_cast<size_t>(uniform(7, 3, token) * kBins)];
  for (const std::vector<int>& counts : {even, odd}) {
    const double expected = double{kDraws} / 2 / kBins;
    double chi = 0;
    for (const int count : counts) chi += (count - expected) * (count - expected) / expected;
    EXPECT_LT(chi, 120) << "seed 7";  // 63 degrees of freedom: p below 2e-5
  }
}

}  // namespace
}  // namespace ember
