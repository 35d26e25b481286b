// SPDX-License-Identifier: Apache-2.0
// Attention of one instruction set against double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "cpu/kernels.h"

namespace ember::cpu {

inline std::vector<float> random_floats(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

// One kv head, its cache in shuffled blocks whose unused cells are NaN.
inline void check_attention(const Kernels& kernels) {
  std::mt19937_64 random(11);
  for (const int dim : {2, 16, 20, 64, 128})
    for (const int block_size : {1, 4, 16, 32})
      for (const int heads : {1, 2, 3, 8})
        for (const int window : {0, 5, 70}) {
          const float softcap = window == 5 ? 1.5f : 0.0f;
          const int length = 150, tokens = 9, first = length - tokens,
                    blocks = (length + block_size - 1) / block_size;
          std::vector<int32_t> table(static_cast<size_t>(blocks));
          for (int i = 0; i < blocks; ++i) table[static_cast<size_t>(i)] = i;
          std::shuffle(table.begin(), table.end(), random);
          const auto head_floats = static_cast<size_t>(dim * block_size);
          std::vector<float> k_cache(head_floats * table.size(), NAN), v_cache = k_cache;
          const std::vector<float> k = random_floats(static_cast<size_t>(length * dim), random()),
                                   v = random_floats(k.size(), random());
          for (int p = 0; p < length; ++p)
            for (int d = 0; d < dim; ++d) {
              const size_t base =
                  static_cast<size_t>(table[static_cast<size_t>(p / block_size)]) * head_floats;
              k_cache[base + static_cast<size_t>(d * block_size + p % block_size)] =
                  k[static_cast<size_t>(p * dim + d)];
              v_cache[base + static_cast<size_t>(p % block_size * dim + d)] =
                  v[static_cast<size_t>(p * dim + d)];
            }
          const std::vector<float> q =
              random_floats(static_cast<size_t>(tokens * heads * dim), random());
          std::vector<float> y(q.size()), one(static_cast<size_t>(heads * dim)),
              scratch(static_cast<size_t>(attention_scratch(dim)));
          AttentionArgs args{.k = k_cache.data(),
                             .v = v_cache.data(),
                             .k_block_stride = dim * block_size,
                             .v_block_stride = dim * block_size,
                             .block_table = table.data(),
                             .block_size = block_size,
                             .q = q.data(),
                             .q_stride = heads * dim,
                             .y = y.data(),
                             .y_stride = heads * dim,
                             .num_tokens = tokens,
                             .num_heads = heads,
                             .head_dim = dim,
                             .first_position = first,
                             .window = window,
                             .scale = 0.3f,
                             .softcap = softcap,
                             .scratch = scratch.data()};
          kernels.attention(args);
          for (int t = 0; t < tokens; ++t) {
            AttentionArgs alone = args;  // as a decode
            alone.q = q.data() + t * heads * dim;
            alone.y = one.data();
            alone.num_tokens = 1;
            alone.first_position = first + t;
            kernels.attention(alone);
            for (int h = 0; h < heads; ++h) {
              const float* query = q.data() + (t * heads + h) * dim;
              const int end = first + t + 1, begin = window > 0 ? std::max(0, end - window) : 0;
              std::vector<double> weights;
              for (int p = begin; p < end; ++p) {
                double score = 0;
                for (int d = 0; d < dim; ++d)
                  score += double{query[d]} * k[static_cast<size_t>(p * dim + d)];
                score *= 0.3;
                if (softcap > 0) score = softcap * std::tanh(score / softcap);
                weights.push_back(std::exp(score));
              }
              double total = 0;
              for (const double w : weights) total += w;
              for (int d = 0; d < dim; ++d) {
                double sum = 0;
                for (int p = begin; p < end; ++p)
                  sum += weights[static_cast<size_t>(p - begin)] / total *
                         v[static_cast<size_t>(p * dim + d)];
                const auto at = static_cast<size_t>(h * dim + d);
                ASSERT_NEAR(y[static_cast<size_t>(t * heads * dim) + at], sum, 2e-5)
                    << dim << " " << block_size << " " << heads << " " << window;
                ASSERT_EQ(y[static_cast<size_t>(t * heads * dim) + at], one[at]);  // bit for bit
              }
            }
          }
        }
}

// A query that is no number makes its own row NaN, and no other.
inline void check_attention_of_nan(const Kernels& kernels) {
  constexpr int kDim = 64, kHeads = 3, kTokens = 5, kLength = 100, kBlockSize = 16;
  const std::vector<int32_t> table{0, 1, 2, 3, 4, 5, 6};
  const std::vector<float> cache = random_floats(table.size() * kBlockSize * kDim, 5);
  for (const float softcap : {0.0f, 2.0f}) {
    std::vector<float> q = random_floats(kTokens * kHeads * kDim, 6), y(q.size()),
                       expected(q.size()), scratch(static_cast<size_t>(attention_scratch(kDim)));
    AttentionArgs args{.k = cache.data(),
                       .v = cache.data(),
                       .k_block_stride = kDim * kBlockSize,
                       .v_block_stride = kDim * kBlockSize,
                       .block_table = table.data(),
                       .block_size = kBlockSize,
                       .q = q.data(),
                       .q_stride = kHeads * kDim,
                       .y = expected.data(),
                       .y_stride = kHeads * kDim,
                       .num_tokens = kTokens,
                       .num_heads = kHeads,
                       .head_dim = kDim,
                       .first_position = kLength - kTokens,
                       .window = 0,
                       .scale = 0.1f,
                       .softcap = softcap,
                       .scratch = scratch.data()};
    kernels.attention(args);
    constexpr size_t kRow = 2 * kHeads + 1;  // of token 2
    q[kRow * kDim + 9] = NAN;
    args.y = y.data();
    kernels.attention(args);
    for (size_t i = 0; i < y.size(); ++i)
      if (i / kDim == kRow)
        ASSERT_TRUE(std::isnan(y[i])) << softcap;
      else
        ASSERT_EQ(y[i], expected[i]) << softcap;
  }
}

}  // namespace ember::cpu
