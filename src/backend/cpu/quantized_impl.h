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

inline int32_t sum_of_16(const int16_t* v) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += v[i];
  return sum;
}

// 32 inputs. Magnitudes compare as integers, above which NaN is larger than infinity.
inline void prepare_block(const float* x, int16_t* v, float* dx, float* dx_sum, int32_t* v_sums) {
  const Vec a = load(x), b = load(x + kLanes);
  const Ints magnitude = splat_int(0x7fffffff);
  const int32_t bits =
      max_lane(max_of(bits_and(bits_of(a), magnitude), bits_and(bits_of(b), magnitude)));
  float largest = 0;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  const bool finite = bits < 0x7f800000, zero_block = !finite || largest < 1e-30f;
  const Vec factor = splat(zero_block ? 0.0f : 32767.0f / largest);
  const Ints none = splat_int(0);
  store_shorts(v, zero_block ? none : round_to_ints(mul(a, factor)));
  store_shorts(v + kLanes, zero_block ? none : round_to_ints(mul(b, factor)));
  v_sums[0] = sum_of_16(v);
  v_sums[1] = sum_of_16(v + 16);
  *dx = !finite ? __builtin_nanf("") : zero_block ? 0.0f : largest / 32767.0f;
  *dx_sum = static_cast<float>(v_sums[0] + v_sums[1]) * *dx;
}

void prepare(const PreparedRows& to, const float* x, int64_t x_stride, int64_t in, int64_t begin,
             int64_t end) {
  const int64_t blocks = in / kTileInputs;
  for (int64_t r = begin; r < end; ++r)
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t at = r * blocks + b;
      prepare_block(x + r * x_stride + b * kTileInputs, to.v + at * kTileInputs, to.dx + at,
                    to.dx_sums + at, to.v_sums + 2 * at);
    }
}

// Pair n of the 16 lanes of a half.
template <PanelLayout l, int n>
[[gnu::always_inline]] inline Ints load_pair(const uint8_t* half) {
  constexpr int j = n / 4, p = n % 4;
  if constexpr (l.low_lines == 8) {
    const Ints line = load_ints(half + (2 * j + p % 2) * kLineBytes);
    return bits_and(shift<-8 * (p / 2)>(line), splat_int(0x00ff00ff));
  }
  const Ints low = bits_and(shift<-4 * p>(load_ints(half + j * kLineBytes)), splat_int(0x000f000f));
  if constexpr (l.high_lines == 1) {
    const Ints line = load_ints(half + l.low_lines * kLineBytes);
    return bits_or(low, bits_and(shift<4 - n>(line), splat_int(0x00100010)));
  } else if constexpr (l.high_lines == 2) {
    const Ints line = load_ints(half + (l.low_lines + n / 8) * kLineBytes);
    return bits_or(low, bits_and(shift<4 - 2 * (n % 8)>(line), splat_int(0x00300030)));
  } else {
    return low;
  }
}

// Pairs [n, end) of H halves times R rows of inputs, which begin at v.
template <PanelLayout l, int n, int end, int R, int H>
[[gnu::always_inline]] inline void add_tile_pairs(const uint8_t* half, const int16_t* v,
                                                  int64_t v_stride, Ints (&sums)[R][H]) {
  if constexpr (n < end) {
    Ints weights[H];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) weights[h] = load_pair<l, n>(half + h * half_bytes(l));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      int32_t pair = 0;
      __builtin_memcpy(&pair, v + r * v_stride + int64_t{2} * n, sizeof pair);
      const Ints inputs = splat_int(pair);
#pragma GCC unroll 2
      for (int h = 0; h < H; ++h) sums[r][h] = add_pairs(sums[r][h], weights[h], inputs);
    }
    add_tile_pairs<l, n + 1, end>(half, v, v_stride, sums);
  }
}

struct Tile {
  const uint8_t *superblock, *at;
};

template <PanelLayout l>
[[gnu::always_inline]] inline Vec scale_of(Tile tile, int group, int half) {
  const uint8_t* scales = tile.at + 2 * half_bytes(l);
  if constexpr (!l.superblocks) {
    return load(reinterpret_cast<const F16*>(scales) + half * kLanes);
  } else {
    const Vec d = load(reinterpret_cast<const F16*>(tile.superblock) + half * kLanes);
    const uint8_t* bytes = scales + group * kBlockOutputs + half * kLanes;
    if constexpr (l.signed_scales)
      return mul(d, load(reinterpret_cast<const int8_t*>(bytes)));
    else
      return mul(d, load(bytes));
  }
}

template <PanelLayout l>
[[gnu::always_inline]] inline Vec minimum_of(Tile tile, int half) {
  const uint8_t* scales = tile.at + 2 * half_bytes(l);
  if constexpr (!l.superblocks) {
    return load(reinterpret_cast<const F16*>(scales) + kBlockOutputs + half * kLanes);
  } else {
    const Vec d =
        load(reinterpret_cast<const F16*>(tile.superblock) + kBlockOutputs + half * kLanes);
    return sub(zero(), mul(d, load(scales + l.groups * kBlockOutputs + half * kLanes)));
  }
}

// One group of a tile for H halves and R rows.
template <PanelLayout l, int group, int R, int H>
[[gnu::always_inline]] inline void add_group(const QuantizedArgs& args, int64_t row, int64_t b,
                                             Tile tile, int first_half, Vec (&sums)[R][2]) {
  const int64_t blocks = args.in / kTileInputs;
  Ints ints[R][H];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const int32_t* v_sums = args.x.v_sums + 2 * ((row + r) * blocks + b);
    const int32_t v_sum = l.groups == 2 ? v_sums[group] : v_sums[0] + v_sums[1];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) ints[r][h] = splat_int(-l.zero * v_sum);
  }
  constexpr int pairs = 16 / l.groups;
  add_tile_pairs<l, group * pairs, (group + 1) * pairs>(tile.at + first_half * half_bytes(l),
                                                        args.x.v + row * args.in + b * kTileInputs,
                                                        args.in, ints);
#pragma GCC unroll 2
  for (int h = 0; h < H; ++h) {
    const Vec scale = scale_of<l>(tile, group, first_half + h);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Vec& sum = sums[r][first_half + h];
      sum = fma(to_floats(ints[r][h]), mul(scale, splat(args.x.dx[(row + r) * blocks + b])), sum);
    }
  }
}

// What an output is beside its sum of products.
inline void finish(const QuantizedArgs& args, int64_t row, int64_t n, Vec sum) {
  const int64_t count = args.out - n < kLanes ? args.out - n : kLanes;
  if (count <= 0) return;
  float* y = args.y + row * args.y_stride + n;
  if (args.bias != nullptr) sum = add(sum, load(args.bias + n));
  sum = mul(sum, splat(args.scale));
  if (args.add) sum = add(load_some(y, count), sum);
  store_some(y, sum, count);
}

template <PanelLayout l, int R>
void multiply_rows(const QuantizedArgs& args, int64_t row, int64_t panel) {
  constexpr int H = kHalves<R>;
  const int64_t blocks = args.in / kTileInputs;
  const auto* begin = static_cast<const uint8_t*>(args.panels) + panel * panel_bytes(l, args.in);
  Vec sums[R][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = zero();
  for (int64_t b = 0; b < blocks; ++b) {
    const Tile tile{begin + superblock_offset(l, b), begin + tile_offset(l, b)};
#pragma GCC unroll 2
    for (int half = 0; half < 2; half += H) {
      add_group<l, 0, R, H>(args, row, b, tile, half, sums);
      if constexpr (l.groups == 2) add_group<l, 1, R, H>(args, row, b, tile, half, sums);
      if constexpr (l.minimum)
#pragma GCC unroll 2
        for (int h = half; h < half + H; ++h) {
          const Vec minimum = minimum_of<l>(tile, h);
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r)
            sums[r][h] = fma(splat(args.x.dx_sums[(row + r) * blocks + b]), minimum, sums[r][h]);
        }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half)
      finish(args, row + r, panel * kBlockOutputs + half * kLanes, sums[r][half]);
}

template <PanelLayout l, int R>
inline void multiply_rest(const QuantizedArgs& args, int64_t row, int64_t panel) {
  if constexpr (R > 0) {
    if (args.rows - row == R)
      multiply_rows<l, R>(args, row, panel);
    else
      multiply_rest<l, R - 1>(args, row, panel);
  }
}

template <WeightFormat format>
inline void multiply_panel(const QuantizedArgs& args, int64_t panel) {
  constexpr PanelLayout l = panel_layout(format);
  int64_t row = 0;
  for (; args.rows - row >= kQuantizedRows; row += kQuantizedRows)
    multiply_rows<l, kQuantizedRows>(args, row, panel);
  multiply_rest<l, kQuantizedRows - 1>(args, row, panel);
}

void multiply(const QuantizedArgs& args, int64_t panel) {
  switch (args.format) {
    case WeightFormat::kQ4_0:
      return multiply_panel<WeightFormat::kQ4_0>(args, panel);
    case WeightFormat::kQ4_1:
      return multiply_panel<WeightFormat::kQ4_1>(args, panel);
    case WeightFormat::kQ5_0:
      return multiply_panel<WeightFormat::kQ5_0>(args, panel);
    case WeightFormat::kQ5_1:
      return multiply_panel<WeightFormat::kQ5_1>(args, panel);
    case WeightFormat::kQ8_0:
      return multiply_panel<WeightFormat::kQ8_0>(args, panel);
    case WeightFormat::kQ4_K:
      return multiply_panel<WeightFormat::kQ4_K>(args, panel);
    case WeightFormat::kQ5_K:
      return multiply_panel<WeightFormat::kQ5_K>(args, panel);
    case WeightFormat::kQ6_K:
      return multiply_panel<WeightFormat::kQ6_K>(args, panel);
    default:
      return;  // has no panels
  }
}
