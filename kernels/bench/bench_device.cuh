// SPDX-License-Identifier: Apache-2.0
// Device code of the kernel benchmark: inputs, a pure read, and references simple enough to be
// right.
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/layout.h"
#include "kernels/common/numeric.cuh"

namespace ember::kernels::bench {

inline constexpr int kThreads = 256;

EMBER_DEVICE uint64_t index_of_thread() {
  return static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
EMBER_DEVICE uint64_t num_threads() { return static_cast<uint64_t>(gridDim.x) * blockDim.x; }

// Uniform in [-scale, scale], a function of the index and the seed.
template <class T>
__global__ void fill_kernel(T* to, uint64_t count, uint32_t seed, float scale) {
  for (uint64_t i = index_of_thread(); i < count; i += num_threads()) {
    uint64_t h = (i + 1) * 0x9E3779B97F4A7C15ull + seed * 0xD1B54A32D192ED03ull;
    h = (h ^ (h >> 31)) * 0xBF58476D1CE4E5B9ull;
    const float unit = static_cast<float>(static_cast<uint32_t>(h >> 40)) * 0x1p-23f - 1.0f;
    if constexpr (std::is_same_v<T, float>)
      to[i] = unit * scale;
    else
      to[i] = from_float<T>(unit * scale);
  }
}

// Reads everything once; writes a word only if the data says so, which the compiler cannot know.
__global__ void read_kernel(const uint4* from, uint64_t count, uint32_t* sink) {
  uint32_t sum = 0;
  const uint64_t step = num_threads();
  uint64_t i = index_of_thread();
  for (; i + 3 * step < count; i += 4 * step) {
    const uint4 a = from[i], b = from[i + step], c = from[i + 2 * step], d = from[i + 3 * step];
    sum |= (a.x ^ a.y ^ a.z ^ a.w) | (b.x ^ b.y ^ b.z ^ b.w) | (c.x ^ c.y ^ c.z ^ c.w) |
           (d.x ^ d.y ^ d.z ^ d.w);
  }
  for (; i < count; i += step) sum |= from[i].x;
  if (sum == 0x5EED5EED) *sink = sum;
}

// y[t, o] = sum_i x[t, i] w[o, i], one thread per result.
template <class T>
__global__ void reference_product_kernel(float* y, const T* x, const T* w, int tokens, int out,
                                         int in) {
  for (uint64_t i = index_of_thread();
       i < static_cast<uint64_t>(tokens) * static_cast<uint64_t>(out); i += num_threads()) {
    const T* row = x + i / static_cast<uint64_t>(out) * static_cast<uint64_t>(in);
    const T* weights = w + i % static_cast<uint64_t>(out) * static_cast<uint64_t>(in);
    float sum = 0;
    for (int k = 0; k < in; ++k) sum = fmaf(to_float(row[k]), to_float(weights[k]), sum);
    y[i] = sum;
  }
}

// sums[i] += y[i].
template <class T>
__global__ void reference_add_kernel(float* sums, const T* y, uint64_t count) {
  for (uint64_t i = index_of_thread(); i < count; i += num_threads()) sums[i] += to_float(y[i]);
}

// y[i] = silu(gate) * up, of sums in whose rows eight gates and eight ups take turns; any number of
// rows, as these are whole sixteens.
__global__ void reference_silu_mul_kernel(float* y, const float* sums, uint64_t count) {
  for (uint64_t i = index_of_thread(); i < count; i += num_threads()) {
    const float gate = sums[i / 8 * 16 + i % 8], up = sums[i / 8 * 16 + 8 + i % 8];
    y[i] = gate / (1.0f + expf(-gate)) * up;
  }
}

struct ReferenceAttention {
  const void* qkv;
  const void* pool;
  const int32_t* tables;
  int table_stride, num_heads, num_kv_heads, head_dim, q_len, kv_len;
  float scale;
};

// y[seq, token, head, d]: two passes over the keys for each result.
template <class T>
__global__ void reference_attention_kernel(float* y, ReferenceAttention a, int num_seqs) {
  const uint64_t d = static_cast<uint64_t>(a.head_dim), heads = static_cast<uint64_t>(a.num_heads);
  const uint64_t rows = static_cast<uint64_t>(num_seqs) * static_cast<uint64_t>(a.q_len) * heads;
  for (uint64_t r = index_of_thread(); r < rows; r += num_threads()) {
    const int head = static_cast<int>(r % heads), token = static_cast<int>(r / heads),
              seq = token / a.q_len, position = a.kv_len - a.q_len + token % a.q_len;
    const int kv_head = head / (a.num_heads / a.num_kv_heads);
    const T* q =
        static_cast<const T*>(a.qkv) +
        (static_cast<uint64_t>(token) * static_cast<uint64_t>(a.num_heads + 2 * a.num_kv_heads) +
         static_cast<uint64_t>(head)) *
            d;
    const T* pool = static_cast<const T*>(a.pool);
    const auto slab = [&](int key, int kv) {
      return pool + kv_slab(a.tables[seq * a.table_stride + key / kBlockTokens], kv, kv_head,
                            a.num_kv_heads, a.head_dim);
    };
    const auto score = [&](int key) {
      const T* k = slab(key, 0);
      float dot = 0;
      for (int i = 0; i < a.head_dim; ++i)
        dot = fmaf(to_float(q[i]), to_float(k[kv_slab_offset(a.head_dim, key % kBlockTokens, i)]),
                   dot);
      return dot * a.scale;
    };
    float top = -INFINITY, total = 0;
    for (int key = 0; key <= position; ++key) top = fmaxf(top, score(key));
    for (uint64_t i = 0; i < d; ++i) y[r * d + i] = 0;
    for (int key = 0; key <= position; ++key) {
      const float p = expf(score(key) - top);
      total += p;
      const T* v = slab(key, 1);
      for (int i = 0; i < a.head_dim; ++i)
        y[r * d + static_cast<uint64_t>(i)] +=
            p * to_float(v[kv_slab_offset(a.head_dim, key % kBlockTokens, i)]);
    }
    for (uint64_t i = 0; i < d; ++i) y[r * d + i] /= total;
  }
}

// worst[0] = largest |y - reference|, worst[1] = largest |reference|, both as the bits of a float
// (which order like it).
template <class T>
__global__ void compare_kernel(uint32_t* worst, const T* y, const float* reference,
                               uint64_t count) {
  for (uint64_t i = index_of_thread(); i < count; i += num_threads()) {
    float value;
    if constexpr (std::is_same_v<T, float>)
      value = y[i];
    else
      value = to_float(y[i]);
    const float difference = fabsf(value - reference[i]);
    atomicMax(&worst[0],
              __float_as_uint(difference <= 1e30f ? difference : 1e30f));  // a NaN is the worst
    atomicMax(&worst[1], __float_as_uint(fabsf(reference[i])));
  }
}

}  // namespace ember::kernels::bench
