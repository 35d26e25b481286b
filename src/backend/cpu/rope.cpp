// SPDX-License-Identifier: Apache-2.0
#include "cpu/rope.h"

#include <cstring>

namespace ember::cpu {

namespace {

void rotate(float* head, const float* cos_sin, const AttentionSpec& spec) {
  const int half = spec.rotary_dim / 2, step = spec.interleaved ? 2 : 1,
            apart = spec.interleaved ? 1 : half;
  for (int i = 0; i < half; ++i) {
    float& a = head[i * step];
    float& b = head[i * step + apart];
    const float cosine = cos_sin[i], sine = cos_sin[half + i];
    const float rotated = a * cosine - b * sine;
    b = b * cosine + a * sine;
    a = rotated;
  }
}

}  // namespace

void rope_and_store_token(float* qkv, const float* cos_sin, float* k_cache, float* v_cache,
                          int64_t slot, int block_size, const AttentionSpec& spec) {
  const int64_t dim = spec.head_dim;
  for (int h = 0; h < spec.num_heads + spec.num_kv_heads; ++h) rotate(qkv + h * dim, cos_sin, spec);
  const int64_t block = slot / block_size, offset = slot % block_size;
  const float* k = qkv + spec.num_heads * dim;
  const float* v = k + spec.num_kv_heads * dim;
  for (int h = 0; h < spec.num_kv_heads; ++h) {
    const int64_t base = (block * spec.num_kv_heads + h) * dim * block_size;
    for (int64_t d = 0; d < dim; ++d) k_cache[base + d * block_size + offset] = k[h * dim + d];
    std::memcpy(v_cache + base + offset * dim, v + h * dim,
                static_cast<size_t>(dim) * sizeof(float));
  }
}

}  // namespace ember::cpu
