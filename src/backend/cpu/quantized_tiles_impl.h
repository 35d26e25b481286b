// SPDX-License-Identifier: Apache-2.0
// Tiles of quantised weights over Vec and Ints, for quantized_impl.h; included as that is, before
// it.

// A tile as panels have it. The kernels ask a tile for codes, scales and minimums only.
template <PanelLayout layout>
struct PackedTile {
  static constexpr int kZero = layout.zero, kGroups = layout.groups;
  static constexpr bool kMinimum = layout.minimum;

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

// Tiles of any format, made once for many rows: code - zero as 16 bits, scales as floats.
constexpr int kExpandedTiles = 8;  // 16 KiB of codes stay in the first cache
struct Expanded {
  alignas(64) uint8_t codes[kExpandedTiles][16][2][kLineBytes];  // [tile][pair][half]
  alignas(64) float scales[kExpandedTiles][2][kBlockOutputs];    // [tile][group]
  alignas(64) float minimums[kExpandedTiles][kBlockOutputs];
};

template <int groups, bool minimums>
struct ExpandedTile {
  static constexpr int kZero = 0, kGroups = groups;
  static constexpr bool kMinimum = minimums;

  using Line = const uint8_t*;
  [[gnu::always_inline]] Line line(int half, int j) const {
    return expanded->codes[tile][4 * j][half];
  }
  template <int p>
  [[gnu::always_inline]] static Ints pair(Line line) {
    return load_ints(line + p * 2 * kLineBytes);
  }
  [[gnu::always_inline]] Vec scale(int group, int half) const {
    return load(&expanded->scales[tile][group][half * kLanes]);
  }
  [[gnu::always_inline]] Vec minimum(int half) const {
    return load(&expanded->minimums[tile][half * kLanes]);
  }

  const Expanded* expanded;
  int64_t tile;
};

template <PanelLayout l>
void expand(const PackedTile<l>& tile, int64_t to, Expanded& expanded) {
  const Ints offset = splat_int(l.zero * 0x10001);
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 4; ++j) {
      const auto line = tile.line(half, j);
      auto* pairs = &expanded.codes[to][4 * j];
      store_ints(pairs[0][half], subtract_pairs(tile.template pair<0>(line), offset));
      store_ints(pairs[1][half], subtract_pairs(tile.template pair<1>(line), offset));
      store_ints(pairs[2][half], subtract_pairs(tile.template pair<2>(line), offset));
      store_ints(pairs[3][half], subtract_pairs(tile.template pair<3>(line), offset));
    }
    for (int g = 0; g < l.groups; ++g)
      store(&expanded.scales[to][g][half * kLanes], tile.scale(g, half));
    if constexpr (l.minimum) store(&expanded.minimums[to][half * kLanes], tile.minimum(half));
  }
}
