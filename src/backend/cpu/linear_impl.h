// SPDX-License-Identifier: Apache-2.0
// Products with plain weights, once over Vec; included behind kernels_impl.h, under its rules.
//
// Every leaf of an output is one chain of fused multiply-adds over its inputs, in order. A few rows
// convert the weights where they use them; many rows convert some inputs of a task's outputs once,
// and their sums wait in memory in between, which changes no bit.

// Weights [16 * half, 16 * half + 16) of a block at k, which is even for First and odd otherwise.
template <bool First, class W>
inline Vec load_weights(const W* block, int64_t k, int half) {
  return load(block + k * kBlockOutputs + half * kLanes);
}
template <bool First>
inline Vec load_weights(const BF16* block, int64_t k, int half) {
  return (First ? load_first : load_second)(block + (k / 2 * kBlockOutputs + half * kLanes) * 2);
}

// The products of one k.
template <bool First, class W, int R, int N>
inline void add_products(const W* w, int64_t block_size, const float* x, int64_t x_stride,
                         int64_t k, Vec (&sums)[R][N]) {
  Vec weights[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) weights[n] = load_weights<First>(w + n / 2 * block_size, k, n % 2);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Vec input = splat(x[r * x_stride + k]);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sums[r][n] = fma(input, weights[n], sums[r][n]);
  }
}

// A few rows: R rows and B blocks of outputs in registers over the whole of K, in order, one fused
// multiply-add each, and the tree of the leaves.
template <class W, int R, int B>
inline void linear_tile(const LinearArgs& args, int64_t row, int64_t block) {
  const int64_t block_size = round_up(args.in, kPaddedInputs) * kBlockOutputs;
  const W* w = static_cast<const W*>(args.weights) + block * block_size;
  const float* x = args.x + row * args.x_stride;
  Vec sums[R][2 * B];
  LeafTree<R, 2 * B> tree;
  int64_t k = 0;
  int leaf = 0;
  do {
    const int64_t end = leaf_end(args.leaves, leaf, args.in);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int n = 0; n < 2 * B; ++n) sums[r][n] = zero();
    for (; k + 2 <= end; k += 2) {
      add_products<true>(w, block_size, x, args.x_stride, k, sums);
      add_products<false>(w, block_size, x, args.x_stride, k + 1, sums);
    }
    if (k < end) add_products<true>(w, block_size, x, args.x_stride, k, sums);
    if (args.leaves.count > 1) tree.add_leaf(leaf, sums);
  } while (++leaf < args.leaves.count);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b)
      for (int half = 0; half < 2; ++half)
        store_outputs(args, row + r, (block + b) * kBlockOutputs + half * kLanes,
                      sums[r][2 * b + half]);
}

template <class W, int B, int R>
inline void linear_rest(const LinearArgs& args, int64_t row, int64_t block, Count<R>) {
  if (args.rows - row == R)
    linear_tile<W, R, B>(args, row, block);
  else
    linear_rest<W, B>(args, row, block, Count<R - 1>{});
}
template <class W, int B>
inline void linear_rest(const LinearArgs&, int64_t, int64_t, Count<0>) {}
template <class W, int B>
inline void linear_rows(const LinearArgs& args, int64_t block) {
  int64_t row = 0;
  for (; args.rows - row >= kTileRows; row += kTileRows)
    linear_tile<W, kTileRows, B>(args, row, block);
  linear_rest<W, B>(args, row, block, Count<kTileRows - 1>{});
}

constexpr int kTaskBlocks = 2;  // blocks of one task, with all rows

int64_t linear_tasks(const LinearArgs& args) {
  return round_up(args.out, kTaskBlocks * kBlockOutputs) / (kTaskBlocks * kBlockOutputs);
}

// Many rows. Scratch is the converted weights, [Vec of outputs][input][lane], and the sums,
// [Vec of outputs][row][lane], of each subtree that waits and of the newest leaf.
constexpr int kPanelVecs = kTaskBlocks * kBlockOutputs / kLanes;
constexpr int kPanelRows = 96;
constexpr int64_t kPanelSums = int64_t{kPanelVecs} * kLanes * kPanelRows;
constexpr int64_t kPanelFloats =
    int64_t{kPanelVecs} * kLanes * kPanelInputs + kLeafDepth * kPanelSums;

// Inputs [begin, begin + count) of a task's outputs, begin even; zeros where there is no output.
template <class W>
inline void convert_panel(const LinearArgs& args, int64_t task, int64_t begin, int64_t count,
                          float* panel) {
  const int64_t block_size = round_up(args.in, kPaddedInputs) * kBlockOutputs;
  for (int v = 0; v < kPanelVecs; ++v, panel += kPanelInputs * kLanes) {
    const int64_t block = task * kTaskBlocks + v / 2;
    if (block * kBlockOutputs >= args.out) {
      for (int64_t k = 0; k < count; ++k) store(panel + k * kLanes, zero());
      continue;
    }
    const W* w = static_cast<const W*>(args.weights) + block * block_size;
    for (int64_t k = 0; k < count; k += 2) {
      store(panel + k * kLanes, load_weights<true>(w, begin + k, v % 2));
      store(panel + (k + 1) * kLanes, load_weights<false>(w, begin + k + 1, v % 2));
    }
  }
}

// The products of R rows and V Vecs of outputs are added to their sums.
template <int R, int V>
inline void panel_tile(const float* panel, const float* x, int64_t x_stride, int64_t count,
                       float* sums) {
  Vec s[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[r][v] = load(sums + (v * kPanelRows + r) * kLanes);
  for (int64_t k = 0; k < count; ++k) {
    Vec weights[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weights[v] = load(panel + (v * kPanelInputs + k) * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec input = splat(x[r * x_stride + k]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) s[r][v] = fma(input, weights[v], s[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(sums + (v * kPanelRows + r) * kLanes, s[r][v]);
}

// R rows and all outputs of a task.
template <int R>
inline void panel_rows(const float* panel, const float* x, int64_t x_stride, int64_t count,
                       float* sums) {
  for (int v = 0; v < kPanelVecs; v += kPanelTileVecs)
    panel_tile<R, kPanelTileVecs>(panel + v * kPanelInputs * kLanes, x, x_stride, count,
                                  sums + v * kPanelRows * kLanes);
}
template <int R>
inline void panel_rest(int64_t rows, const float* panel, const float* x, int64_t x_stride,
                       int64_t count, float* sums, Count<R>) {
  if (rows == R)
    panel_rows<R>(panel, x, x_stride, count, sums);
  else
    panel_rest(rows, panel, x, x_stride, count, sums, Count<R - 1>{});
}
inline void panel_rest(int64_t, const float*, const float*, int64_t, int64_t, float*, Count<0>) {}

// Inputs [begin, end) of at most kPanelRows rows of a task.
template <class W>
inline void panel_leaf(const LinearArgs& args, int64_t task, int64_t first, int64_t rows,
                       int64_t begin, int64_t end, float* panel, float* sums) {
  for (int64_t i = 0; i < kPanelSums; i += kLanes) store(sums + i, zero());
  for (; begin < end; begin += kPanelInputs) {
    const int64_t count = end - begin < kPanelInputs ? end - begin : kPanelInputs;
    convert_panel<W>(args, task, begin, count, panel);
    const float* x = args.x + first * args.x_stride + begin;
    int64_t r = 0;
    for (; rows - r >= kPanelTileRows; r += kPanelTileRows)
      panel_rows<kPanelTileRows>(panel, x + r * args.x_stride, args.x_stride, count,
                                 sums + r * kLanes);
    panel_rest(rows - r, panel, x + r * args.x_stride, args.x_stride, count, sums + r * kLanes,
               Count<kPanelTileRows - 1>{});
  }
}

// At most kPanelRows rows of a task.
template <class W>
inline void panel_task(const LinearArgs& args, int64_t task, int64_t first, int64_t rows,
                       float* panel) {
  float* const sums = panel + kPanelVecs * kPanelInputs * kLanes;
  float* top = sums;
  for (int leaf = 0; leaf < args.leaves.count; ++leaf) {
    const int64_t begin = leaf == 0 ? 0 : leaf_end(args.leaves, leaf - 1, args.in);
    panel_leaf<W>(args, task, first, rows, begin, leaf_end(args.leaves, leaf, args.in), panel, top);
    top = add_leaf(leaf, top, kPanelSums);
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int v = 0; v < kPanelVecs; ++v)
      store_outputs(args, first + r, task * kTaskBlocks * kBlockOutputs + v * kLanes,
                    load(sums + (v * kPanelRows + r) * kLanes));
}

template <class W>
inline void linear_task(const LinearArgs& args, int64_t task, float* scratch) {
  if (args.rows >= kFewestPanelRows) {
    for (int64_t row = 0; row < args.rows; row += kPanelRows)
      panel_task<W>(args, task, row, args.rows - row < kPanelRows ? args.rows - row : kPanelRows,
                    scratch);
    return;
  }
  const int64_t blocks = (args.out + kBlockOutputs - 1) / kBlockOutputs;
  int64_t block = task * kTaskBlocks,
          end = block + kTaskBlocks < blocks ? block + kTaskBlocks : blocks;
  for (; end - block >= kTileBlocks; block += kTileBlocks) linear_rows<W, kTileBlocks>(args, block);
  for (; block < end; ++block) linear_rows<W, 1>(args, block);
}

void linear(const LinearArgs& args, int64_t task, float* scratch) {
  switch (args.dtype) {
    case DType::kF16:
      return linear_task<F16>(args, task, scratch);
    case DType::kBF16:
      return linear_task<BF16>(args, task, scratch);
    default:
      return linear_task<float>(args, task, scratch);
  }
}
