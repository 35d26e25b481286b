// SPDX-License-Identifier: Apache-2.0
// Tiles of quantised weights over Vec and Ints, for quantized_impl.h; included as that is, before
// it.

// Four bytes in each lane.
inline Ints splat_four_bytes(const void* p) {
  int32_t bytes = 0;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return splat_int(bytes);
}

// A tile as panels have it. The kernels ask a tile for codes, scales and minimums only.
template <PanelLayout layout>
struct PackedTile {
  static constexpr int kZero = layout.zero, kGroups = layout.groups;
  static constexpr bool kMinimum = layout.minimum, kBytes = layout.low_lines == 8;

  // The pairs 4j to 4j + 3 of a half, as they are stored.
  struct Line {
    Ints low, other_low, high;
  };
  [[gnu::always_inline]] Line line(int half, int j) const {
    const auto load_line = [&](int number) { return load_ints(at + line_offset(number, half)); };
    Line line;
    if constexpr (layout.low_lines == 8) {
      line.low = load_line(layout.high_lines + 2 * j);
      line.other_low = load_line(layout.high_lines + 2 * j + 1);
    } else {
      line.low = load_line(layout.high_lines + j);
    }
    if constexpr (layout.high_lines == 1) line.high = shift_right(load_line(0), 2 * j);
    if constexpr (layout.high_lines == 2) line.high = shift_right(load_line(j / 2), 4 * (j % 2));
    return line;
  }
  // Pair 4j + p: two codes of 16 bits.
  template <int p>
  [[gnu::always_inline]] static Ints pair(const Line& line) {
    if constexpr (layout.low_lines == 8) {
      return bits_and(shift<-8 * (p / 2)>(p % 2 == 0 ? line.low : line.other_low),
                      splat_int(0x00ff00ff));
    } else {
      const Ints low = bits_and(shift<-4 * p>(line.low), splat_int(0x000f000f));
      if constexpr (layout.high_lines == 1)
        return bits_or(low,
                       bits_and(shift<4 - p % 2 - 8 * (p / 2)>(line.high), splat_int(0x00100010)));
      else if constexpr (layout.high_lines == 2)
        return bits_or(
            low, bits_and(shift<4 - 2 * (p % 2) - 8 * (p / 2)>(line.high), splat_int(0x00300030)));
      else
        return low;
    }
  }
  // Pairs 4j + q and 4j + q + 2: four codes of 8 bits.
  template <int q>
  [[gnu::always_inline]] static Ints quad(const Line& line) {
    if constexpr (layout.low_lines == 8) {
      return q == 0 ? line.low : line.other_low;
    } else {
      const Ints low = bits_and(shift<-4 * q>(line.low), splat_int(0x0f0f0f0f));
      if constexpr (layout.high_lines == 1)
        return bits_or(low, bits_and(shift<4 - q>(line.high), splat_int(0x10101010)));
      else if constexpr (layout.high_lines == 2)
        return bits_or(low, bits_and(shift<4 - 2 * q>(line.high), splat_int(0x30303030)));
      else
        return low;
    }
  }
  [[gnu::always_inline]] Vec scale(int group, int half) const {
    const uint8_t* scales = at + codes_bytes(layout);
    if constexpr (!layout.superblocks) {
      return load(reinterpret_cast<const F16*>(scales) + half * kLanes);
    } else {
      const Vec d = load(reinterpret_cast<const F16*>(superblock) + half * kLanes);
      const uint8_t* bytes = scales + group * kBlockOutputs + half * kLanes;
      if constexpr (layout.signed_scales)
        return mul(d, load(reinterpret_cast<const int8_t*>(bytes)));
      else
        return mul(d, load(bytes));
    }
  }
  [[gnu::always_inline]] Vec minimum(int half) const {
    const uint8_t* scales = at + codes_bytes(layout);
    if constexpr (!layout.superblocks) {
      return load(reinterpret_cast<const F16*>(scales) + kBlockOutputs + half * kLanes);
    } else {
      const Vec d = load(reinterpret_cast<const F16*>(superblock) + kBlockOutputs + half * kLanes);
      return sub(zero(), mul(d, load(scales + layout.groups * kBlockOutputs + half * kLanes)));
    }
  }

  const uint8_t *superblock, *at;
};

// Inputs of 16 bits, each with its code as 16 bits.
struct Int16 {
  using Value = int16_t;
  static constexpr Integers kIntegers = Integers::k16Bits;
  static constexpr float kMost = 32767;
  static constexpr int kSteps = 4;  // of a line
  template <class Tile>
  static constexpr int kTaken = 0;
  // What tiles are expanded with: code - zero.
  static constexpr int zero_of(PanelLayout) { return 0; }
  template <PanelLayout l, int p>
  static Ints expanded(const typename PackedTile<l>::Line& line) {
    return subtract_pairs(PackedTile<l>::template pair<p>(line), splat_int(l.zero * 0x10001));
  }
  static void store(int16_t* v, Ints a) { store_shorts(v, a); }

  // sums += the eight inputs at v + r * stride times the codes of a line.
  template <class Tile, int R, int H>
  [[gnu::always_inline]] static void add_line(const typename Tile::Line (&lines)[H],
                                              const int16_t* v, int64_t stride,
                                              Ints (&sums)[R][H]) {
    add_pair<0, Tile>(lines, v, stride, sums);
    add_pair<1, Tile>(lines, v, stride, sums);
    add_pair<2, Tile>(lines, v, stride, sums);
    add_pair<3, Tile>(lines, v, stride, sums);
  }
  template <int p, class Tile, int R, int H>
  [[gnu::always_inline]] static void add_pair(const typename Tile::Line (&lines)[H],
                                              const int16_t* v, int64_t stride,
                                              Ints (&sums)[R][H]) {
    Ints codes[H];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) codes[h] = Tile::template pair<p>(lines[h]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Ints inputs = splat_four_bytes(v + r * stride + 2 * p);
#pragma GCC unroll 2
      for (int h = 0; h < H; ++h) sums[r][h] = add_pairs(sums[r][h], codes[h], inputs);
    }
  }
};

// Inputs of 8 bits, four of them with their codes in a lane.
struct Int8 {
  using Value = int8_t;
  static constexpr Integers kIntegers = Integers::k8Bits;
  static constexpr float kMost = 127;
  static constexpr int kSteps = 2;
  template <class Tile>
  static constexpr int kTaken = Tile::kBytes ? kTakenFromBytes : 0;
  static constexpr int zero_of(PanelLayout l) { return l.zero; }
  template <PanelLayout l, int q>
  static Ints expanded(const typename PackedTile<l>::Line& line) {
    return PackedTile<l>::template quad<q>(line);
  }
  static void store(int8_t* v, Ints a) { store_bytes(v, a); }

  template <class Tile, int R, int H>
  [[gnu::always_inline]] static void add_line(const typename Tile::Line (&lines)[H],
                                              const int8_t* v, int64_t stride, Ints (&sums)[R][H]) {
    Ints first[H], second[H];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) {
      first[h] = Tile::template quad<0>(lines[h]);
      second[h] = Tile::template quad<1>(lines[h]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Ints a = splat_four_bytes(v + r * stride), b = splat_four_bytes(v + r * stride + 4);
#pragma GCC unroll 2
      for (int h = 0; h < H; ++h)
        sums[r][h] = add_quads<Tile::kBytes>(sums[r][h], first[h], a, second[h], b);
    }
  }
};

// Tiles made once for many rows: codes that need no taking apart, scales as floats.
constexpr int kExpandedTiles = 8;  // up to 16 KiB of codes stay in the first cache
template <class Inputs>
struct Expanded {
  alignas(
      64) uint8_t codes[kExpandedTiles][4 * Inputs::kSteps][2][kLineBytes];  // [tile][step][half]
  alignas(64) float scales[kExpandedTiles][2][kBlockOutputs];                // [tile][group]
  alignas(64) float minimums[kExpandedTiles][kBlockOutputs];
};

template <class I, int zero, int groups, bool minimums, bool bytes>
struct ExpandedTile {
  using Inputs = I;
  static constexpr int kZero = zero, kGroups = groups;
  static constexpr bool kMinimum = minimums, kBytes = bytes;

  using Line = const uint8_t*;
  [[gnu::always_inline]] Line line(int half, int j) const {
    return expanded->codes[tile][Inputs::kSteps * j][half];
  }
  template <int p>
  [[gnu::always_inline]] static Ints pair(Line line) {
    return load_ints(line + p * 2 * kLineBytes);
  }
  template <int q>
  [[gnu::always_inline]] static Ints quad(Line line) {
    return load_ints(line + q * 2 * kLineBytes);
  }
  [[gnu::always_inline]] Vec scale(int group, int half) const {
    return load(&expanded->scales[tile][group][half * kLanes]);
  }
  [[gnu::always_inline]] Vec minimum(int half) const {
    return load(&expanded->minimums[tile][half * kLanes]);
  }

  const Expanded<Inputs>* expanded;
  int64_t tile;
};

template <class Inputs, PanelLayout l, int step>
inline void expand_line(const typename PackedTile<l>::Line& line, int half,
                        uint8_t (*codes)[2][kLineBytes]) {
  if constexpr (step < Inputs::kSteps) {
    store_ints(codes[step][half], Inputs::template expanded<l, step>(line));
    expand_line<Inputs, l, step + 1>(line, half, codes);
  }
}

template <class Inputs, PanelLayout l>
void expand(const PackedTile<l>& tile, int64_t to, Expanded<Inputs>& expanded) {
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 4; ++j)
      expand_line<Inputs, l, 0>(tile.line(half, j), half, &expanded.codes[to][Inputs::kSteps * j]);
    for (int g = 0; g < l.groups; ++g)
      store(&expanded.scales[to][g][half * kLanes], tile.scale(g, half));
    if constexpr (l.minimum) store(&expanded.minimums[to][half * kLanes], tile.minimum(half));
  }
}
