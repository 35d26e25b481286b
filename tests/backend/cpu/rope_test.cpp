// SPDX-License-Identifier: Apache-2.0
#include "cpu/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backend/cpu/kernel_cases.h"

namespace ember::cpu {
namespace {

TEST(Rope, RotatesPairsAndStoresKeysAndValues) {
  for (const bool interleaved : {false, true}) {
    const AttentionSpec spec{.num_heads = 3,
                             .num_kv_heads = 1,
                             .head_dim = 8,
                             .rotary_dim = 6,
                             .interleaved = interleaved};
    const std::vector<float> before = random_floats(5 * 8, 1);
    std::vector<float> qkv = before, k(2 * 8 * 4, NAN), v = k, cos_sin;
    for (int i = 0; i < 3; ++i) cos_sin.push_back(std::cos(0.5f + static_cast<float>(i)));
    for (int i = 0; i < 3; ++i) cos_sin.push_back(std::sin(0.5f + static_cast<float>(i)));
    rope_and_store_token(qkv.data(), cos_sin.data(), k.data(), v.data(), 4 + 2, 4,
                         spec);  // block 1, offset 2
    for (size_t h = 0; h < 5; ++h)
      for (size_t i = 0; i < 4; ++i) {
        const size_t a = h * 8 + (interleaved ? 2 * i : i),
                     b = h * 8 + (interleaved ? 2 * i + 1 : i + 3);
        if (i == 3 || h == 4) continue;  // not rotated
        const double angle = 0.5 + static_cast<double>(i);
        EXPECT_NEAR(qkv[a], before[a] * std::cos(angle) - before[b] * std::sin(angle), 1e-6);
        EXPECT_NEAR(qkv[b], before[b] * std::cos(angle) + before[a] * std::sin(angle), 1e-6);
      }
    for (size_t h = 0; h < 5; ++h)
      for (size_t d = h == 4 ? 0 : 6; d < 8; ++d) EXPECT_EQ(qkv[h * 8 + d], before[h * 8 + d]);
    for (size_t d = 0; d < 8; ++d) {
      EXPECT_EQ(k[32 + d * 4 + 2], qkv[3 * 8 + d]);
      EXPECT_EQ(v[32 + 2 * 8 + d], before[4 * 8 + d]);
    }
    EXPECT_TRUE(std::isnan(k[0]) && std::isnan(v[0]));
  }
}

}  // namespace
}  // namespace ember::cpu
