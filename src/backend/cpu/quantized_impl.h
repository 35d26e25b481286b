// SPDX-License-Identifier: Apache-2.0
// Written once over Vec and Ints (16 lanes); included inside the namespace of an instruction set,
// in the one file compiled for it. Uses nothing of the standard library: see kernels_impl.h.

inline int32_t max_lane(Ints a) {
  int32_t lanes[kLanes];
  store_ints(lanes, a);
  int32_t max = lanes[0];
  for (int i = 1; i < kLanes; ++i) max = lanes[i] > max ? lanes[i] : max;
  return max;
}

template <class T>
inline int32_t sum_of_16(const T* v) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += v[i];
  return sum;
}

// 32 inputs. Magnitudes compare as integers, above which NaN is larger than infinity.
template <class Inputs>
inline void prepare_block(const float* x, typename Inputs::Value* v, float* dx, float* dx_sum,
                          int32_t* v_sums) {
  const Vec a = load(x), b = load(x + kLanes);
  const Ints magnitude = splat_int(0x7fffffff);
  const int32_t bits =
      max_lane(max_of(bits_and(bits_of(a), magnitude), bits_and(bits_of(b), magnitude)));
  float largest = 0;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  const bool finite = bits < 0x7f800000, zero_block = !finite || largest < 1e-30f;
  const Vec factor = splat(zero_block ? 0.0f : Inputs::kMost / largest);
  const Ints none = splat_int(0);
  Inputs::store(v, zero_block ? none : round_to_ints(mul(a, factor)));
  Inputs::store(v + kLanes, zero_block ? none : round_to_ints(mul(b, factor)));
  v_sums[0] = sum_of_16(v);
  v_sums[1] = sum_of_16(v + 16);
  *dx = !finite ? __builtin_nanf("") : zero_block ? 0.0f : largest / Inputs::kMost;
  *dx_sum = static_cast<float>(v_sums[0] + v_sums[1]) * *dx;
}

template <class Inputs>
void prepare(const PreparedRows& to, const float* x, int64_t x_stride, int64_t in, int64_t begin,
             int64_t end) {
  const int64_t blocks = in / kTileInputs;
  auto* const v = static_cast<typename Inputs::Value*>(to.v);
  for (int64_t r = begin; r < end; ++r)
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t at = r * blocks + b;
      prepare_block<Inputs>(x + r * x_stride + b * kTileInputs, v + at * kTileInputs, to.dx + at,
                            to.dx_sums + at, to.v_sums + 2 * at);
    }
}

// One group of a tile for H halves and R rows; b is the tile's number in its panel.
template <class Inputs, class Tile, int R, int H>
[[gnu::always_inline]] inline void add_group(const QuantizedArgs& args, int64_t row, int64_t b,
                                             const Tile& tile, int group, int first_half,
                                             Vec (&sums)[R][2]) {
  const int64_t blocks = args.in / kTileInputs;
  constexpr int kZero = Tile::kZero - Inputs::template kTaken<Tile>;
  Ints ints[R][H];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const int32_t* v_sums = args.x.v_sums + 2 * ((row + r) * blocks + b);
    const int32_t v_sum = Tile::kGroups == 2 ? v_sums[group] : v_sums[0] + v_sums[1];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) ints[r][h] = splat_int(-kZero * v_sum);
  }
  const auto* const v =
      static_cast<const typename Inputs::Value*>(args.x.v) + row * args.in + b * kTileInputs;
  constexpr int kLines = 4 / Tile::kGroups;
  // Not unrolled: the compiler would load everything first and run out of registers.
#pragma GCC unroll 1
  for (int j = group * kLines; j < (group + 1) * kLines; ++j) {
    typename Tile::Line lines[H];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) lines[h] = tile.line(first_half + h, j);
    Inputs::template add_line<Tile>(lines, v + int64_t{8} * j, args.in, ints);
  }
#pragma GCC unroll 2
  for (int h = 0; h < H; ++h) {
    const Vec scale = tile.scale(group, first_half + h);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Vec& sum = sums[r][first_half + h];
      sum = fma(to_floats(ints[r][h]), mul(scale, splat(args.x.dx[(row + r) * blocks + b])), sum);
    }
  }
}

template <class Inputs, class Tile, int R>
[[gnu::always_inline]] inline void add_tile(const QuantizedArgs& args, int64_t row, int64_t b,
                                            const Tile& tile, Vec (&sums)[R][2]) {
  constexpr int H = kHalves<R>;
  const int64_t blocks = args.in / kTileInputs;
#pragma GCC unroll 2
  for (int half = 0; half < 2; half += H) {
#pragma GCC unroll 1
    for (int group = 0; group < Tile::kGroups; ++group)
      add_group<Inputs, Tile, R, H>(args, row, b, tile, group, half, sums);
    if constexpr (Tile::kMinimum)
#pragma GCC unroll 2
      for (int h = half; h < half + H; ++h) {
        const Vec minimum = tile.minimum(h);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
          sums[r][h] = fma(splat(args.x.dx_sums[(row + r) * blocks + b]), minimum, sums[r][h]);
      }
  }
}

template <PanelLayout l>
PackedTile<l> packed_tile(const QuantizedArgs& args, int64_t panel, int64_t b) {
  const auto* begin = static_cast<const uint8_t*>(args.panels) + panel * panel_bytes(l, args.in);
  return {begin + superblock_offset(l, b), begin + tile_offset(l, b)};
}

// Few rows: codes are taken apart in registers, and the panel is read once.
template <class Inputs, PanelLayout l, int R>
void multiply_rows(const QuantizedArgs& args, int64_t row, int64_t panel) {
  Vec sums[R][2];
  LeafTree<R, 2> tree;
  int64_t b = 0;
  int leaf = 0;
  do {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = zero();
    for (; b < leaf_end(args.leaves, leaf, args.in) / kTileInputs; ++b)
      add_tile<Inputs, PackedTile<l>, R>(args, row, b, packed_tile<l>(args, panel, b), sums);
    if (args.leaves.count > 1) tree.add_leaf(leaf, sums);
  } while (++leaf < args.leaves.count);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half)
      store_outputs(args, row + r, panel * kBlockOutputs + half * kLanes, sums[r][half]);
}

template <class Inputs, PanelLayout l, int R>
inline void multiply_rest(const QuantizedArgs& args, int64_t row, int64_t panel) {
  if constexpr (R > 0) {
    if (args.rows - row == R)
      multiply_rows<Inputs, l, R>(args, row, panel);
    else
      multiply_rest<Inputs, l, R - 1>(args, row, panel);
  }
}

// Tiles [b, end) of R rows, whose sums so far are in `partial`.
template <class Tile, int R>
void add_expanded(const QuantizedArgs& args, int64_t row, int64_t b, int64_t end,
                  const Expanded<typename Tile::Inputs>& expanded, float* partial) {
  Vec sums[R][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half)
      sums[r][half] = load(partial + r * kBlockOutputs + half * kLanes);
  for (int64_t i = b; i < end; ++i)
    add_tile<typename Tile::Inputs, Tile, R>(args, row, i, Tile{&expanded, i - b}, sums);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half)
      store(partial + r * kBlockOutputs + half * kLanes, sums[r][half]);
}

constexpr int64_t kExpandedRows = 128;  // that share expanded tiles

// Many rows, tiles [b, end): tiles are expanded, and their rows are taken in turn.
template <class Inputs, PanelLayout l>
void expand_leaf(const QuantizedArgs& args, int64_t first_row, int64_t rows, int64_t panel,
                 int64_t b, int64_t end, float* partial) {
  using Tile = ExpandedTile<Inputs, Inputs::zero_of(l), l.groups, l.minimum, l.low_lines == 8>;
  Expanded<Inputs> expanded;
  for (int64_t i = 0; i < rows * kBlockOutputs; i += kLanes) store(partial + i, zero());
  for (; b < end; b += kExpandedTiles) {
    const int64_t stop = end - b < kExpandedTiles ? end : b + kExpandedTiles;
    for (int64_t i = b; i < stop; ++i) expand(packed_tile<l>(args, panel, i), i - b, expanded);
    int64_t r = 0;
    for (; rows - r >= kQuantizedRows; r += kQuantizedRows)
      add_expanded<Tile, kQuantizedRows>(args, first_row + r, b, stop, expanded,
                                         partial + r * kBlockOutputs);
    for (; r < rows; ++r)
      add_expanded<Tile, 1>(args, first_row + r, b, stop, expanded, partial + r * kBlockOutputs);
  }
}

template <class Inputs, PanelLayout l>
void multiply_many(const QuantizedArgs& args, int64_t first_row, int64_t rows, int64_t panel) {
  alignas(64) float partial[kLeafDepth * kExpandedRows * kBlockOutputs];
  float* top = partial;
  int64_t b = 0;
  for (int leaf = 0; leaf < args.leaves.count; ++leaf) {
    const int64_t end = leaf_end(args.leaves, leaf, args.in) / kTileInputs;
    expand_leaf<Inputs, l>(args, first_row, rows, panel, b, end, top);
    top = add_leaf(leaf, top, rows * kBlockOutputs);
    b = end;
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int half = 0; half < 2; ++half)
      store_outputs(args, first_row + r, panel * kBlockOutputs + half * kLanes,
                    load(partial + r * kBlockOutputs + half * kLanes));
}

template <class Inputs, WeightFormat format>
inline void multiply_panel(const QuantizedArgs& args, int64_t panel) {
  constexpr PanelLayout l = panel_layout(format);
  int64_t row = 0;
  for (; args.rows - row >= kManyRows; row += kExpandedRows)
    multiply_many<Inputs, l>(
        args, row, args.rows - row < kExpandedRows ? args.rows - row : kExpandedRows, panel);
  for (; args.rows - row >= kQuantizedRows; row += kQuantizedRows)
    multiply_rows<Inputs, l, kQuantizedRows>(args, row, panel);
  multiply_rest<Inputs, l, kQuantizedRows - 1>(args, row, panel);
}

template <class Inputs>
void multiply(const QuantizedArgs& args, int64_t panel) {
  switch (args.format) {
    case WeightFormat::kQ4_0:
      return multiply_panel<Inputs, WeightFormat::kQ4_0>(args, panel);
    case WeightFormat::kQ4_1:
      return multiply_panel<Inputs, WeightFormat::kQ4_1>(args, panel);
    case WeightFormat::kQ5_0:
      return multiply_panel<Inputs, WeightFormat::kQ5_0>(args, panel);
    case WeightFormat::kQ5_1:
      return multiply_panel<Inputs, WeightFormat::kQ5_1>(args, panel);
    case WeightFormat::kQ8_0:
      return multiply_panel<Inputs, WeightFormat::kQ8_0>(args, panel);
    case WeightFormat::kQ4_K:
      return multiply_panel<Inputs, WeightFormat::kQ4_K>(args, panel);
    case WeightFormat::kQ5_K:
      return multiply_panel<Inputs, WeightFormat::kQ5_K>(args, panel);
    case WeightFormat::kQ6_K:
      return multiply_panel<Inputs, WeightFormat::kQ6_K>(args, panel);
    default:
      return;  // has no panels
  }
}

template <class Inputs>
constexpr QuantizedKernels kKernels{
    .integers = Inputs::kIntegers, .prepare = prepare<Inputs>, .multiply = multiply<Inputs>};
