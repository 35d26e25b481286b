// SPDX-License-Identifier: Apache-2.0
// Attention alone, on one thread, by its processor time: the heads of one key-value head, for one
// token (decoding) and for 32 (a task of a prompt), behind contexts of some lengths. Prints a line
// per shape and instruction set: for each context 1e9 multiply-adds of keys and values per second
// and, where one token is computed, the gigabytes of cache that it reads per second; median and in
// brackets lowest and highest of seven.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "cpu/kernels.h"

namespace ember::cpu {
namespace {

constexpr int kRepetitions = 7, kBlockSize = 16, kContexts[] = {64, 512, 4096};

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Shape {
  int heads, kv_heads, dim;  // heads: that share a key-value head
};

// All key-value heads in turn, so that the cache is read as a model reads it: 16 layers.
void bench(Isa isa, const Shape& shape, int tokens) {
  constexpr int kLayers = 16;
  const Kernels& kernels = kernels_of(isa);
  std::printf("%-6s %dx%d heads of %d, %2d tokens", name_of(isa), shape.heads, shape.kv_heads,
              shape.dim, tokens);
  for (const int context : kContexts) {
    if (context < tokens) continue;
    const int blocks = context / kBlockSize, layers = tokens == 1 ? kLayers : 1;
    std::vector<int32_t> table(static_cast<size_t>(blocks));
    std::iota(table.begin(), table.end(), 0);
    std::shuffle(table.begin(), table.end(), std::mt19937_64(1));
    const int64_t of_head = int64_t{kBlockSize} * shape.dim, of_block = of_head * shape.kv_heads,
                  of_layer = of_block * blocks;
    std::vector<float> k(static_cast<size_t>(of_layer * layers), 0.01f),
        v = k, q(static_cast<size_t>(tokens * shape.heads * shape.dim), 0.1f), y = q,
        scratch(static_cast<size_t>(attention_scratch(shape.dim)));
    const double products = 2.0 * layers * shape.kv_heads * shape.heads * shape.dim * tokens *
                            (context - (tokens - 1) / 2.0);
    const int times = 1 + static_cast<int>(3e7 / products);
    std::vector<double> rates;
    for (int i = 0; i <= kRepetitions; ++i) {
      const double begin = thread_seconds();
      for (int t = 0; t < times; ++t)
        for (int64_t layer = 0; layer < layers; ++layer)
          for (int64_t head = 0; head < shape.kv_heads; ++head)
            kernels.attention({.k = k.data() + layer * of_layer + head * of_head,
                               .v = v.data() + layer * of_layer + head * of_head,
                               .k_block_stride = of_block,
                               .v_block_stride = of_block,
                               .block_table = table.data(),
                               .block_size = kBlockSize,
                               .q = q.data(),
                               .q_stride = int64_t{shape.heads} * shape.dim,
                               .y = y.data(),
                               .y_stride = int64_t{shape.heads} * shape.dim,
                               .num_tokens = tokens,
                               .num_heads = shape.heads,
                               .head_dim = shape.dim,
                               .first_position = context - tokens,
                               .scale = 0.1f,
                               .scratch = scratch.data()});
      if (i > 0) rates.push_back(products * times / (thread_seconds() - begin) / 1e9);
    }
    std::ranges::sort(rates);
    const double median = rates[kRepetitions / 2];
    std::printf("  %d: %.1f [%.1f, %.1f]", context, median, rates.front(), rates.back());
    if (tokens == 1) std::printf(" %.1f GB/s", median * 4 / shape.heads);
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace ember::cpu

int main() {
  using namespace ember::cpu;
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (!machine_has(isa)) continue;
    for (const Shape& shape : {Shape{3, 3, 64}, Shape{4, 8, 64}, Shape{1, 8, 128}})
      for (const int tokens : {1, 32}) bench(isa, shape, tokens);
  }
}
