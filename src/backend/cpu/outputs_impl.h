// SPDX-License-Identifier: Apache-2.0
// How leaves become a sum and a sum an output, for every kind of weights; included as
// kernels_impl.h is.

// The subtrees of some sums in registers that wait for their other halves.
template <int R, int N>
struct LeafTree {
  Vec waiting[kLeafDepth][R][N];
  int depth = 0;

  // `sums` is leaf number `leaf`; behind the last one it is the whole tree.
  [[gnu::always_inline]] inline void add_leaf(int leaf, Vec (&sums)[R][N]) {
    for (int k = leaf; (k & 1) != 0; k >>= 1) {
      --depth;
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) sums[r][n] = add(waiting[depth][r][n], sums[r][n]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) waiting[depth][r][n] = sums[r][n];
    ++depth;
  }
};

// The same of `size` sums in memory, which lie at `top`, those that wait before them. Returns where
// the next leaf's lie; behind the last leaf the whole tree is `size` before that.
inline float* add_leaf(int leaf, float* top, int64_t size) {
  for (int k = leaf; (k & 1) != 0; k >>= 1) {
    top -= size;
    for (int64_t i = 0; i < size; i += kLanes)
      store(top + i, add(load(top + i), load(top + size + i)));
  }
  return top + size;
}

// Ends the sums of outputs [n, n + 16) of a row; those beyond the last are dropped.
template <class Args>
inline void store_outputs(const Args& args, int64_t row, int64_t n, Vec sum) {
  const int64_t count = args.out - n < kLanes ? args.out - n : kLanes;
  if (count <= 0) return;
  float* y = args.y + row * args.y_stride + n;
  if (args.bias != nullptr) sum = add(sum, load(args.bias + n));
  sum = mul(sum, splat(args.scale));
  if (args.add) sum = add(load_some(y, count), sum);
  store_some(y, sum, count);
}
