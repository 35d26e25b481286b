// SPDX-License-Identifier: Apache-2.0
#include "cpu/quantized_linear.h"

#include <cstring>

#include "cpu/quantized_blocks.h"
#include "cpu/quantized_layout.h"
#include "ember/base/dtype.h"

namespace ember::cpu {

namespace {

// Where a code's bits are in a half: in lane n of lines, from these bits on.
struct CodePlace {
  int low_line, low_bit, high_line, high_bit;
};

CodePlace place_of(PanelLayout l, int input) {
  const int pair = input / 2, j = pair / 4, p = pair % 4, number = 16 * (input % 2);
  if (l.low_lines == 8) return {l.high_lines + 2 * j + p % 2, number + 8 * (p / 2), 0, 0};
  const int high = l.high_lines * (2 * j + p % 2);  // bits before it, eight in a line
  return {l.high_lines + j, number + 4 * p, high / 8, number + high % 8 + 8 * (p / 2)};
}

// The lanes of a tile's output.
struct Lane {
  uint8_t* at;

  uint32_t get(int line) const {
    uint32_t bits = 0;
    std::memcpy(&bits, at + line_offset(line, 0), sizeof bits);
    return bits;
  }
  void set(int line, uint32_t bits) const {
    std::memcpy(at + line_offset(line, 0), &bits, sizeof bits);
  }
};

Lane lane_of(uint8_t* tile, int64_t output) {
  return {tile + line_offset(0, output / kLanes) + output % kLanes * 4};
}

void put_half(uint8_t* to, uint16_t bits) { std::memcpy(to, &bits, sizeof bits); }

void pack_codes(PanelLayout l, const BlockCodes& block, Lane lane) {
  constexpr int kMostLines = 8;
  uint32_t lines[kMostLines] = {};
  for (int i = 0; i < kTileInputs; ++i) {
    const CodePlace place = place_of(l, i);
    const uint32_t code = block.codes[i];
    if (l.low_lines == 8) {
      lines[place.low_line] |= code << place.low_bit;
    } else {
      lines[place.low_line] |= (code & 15) << place.low_bit;
      if (l.high_lines > 0) lines[place.high_line] |= code >> 4 << place.high_bit;
    }
  }
  for (int i = 0; i < l.low_lines + l.high_lines; ++i) lane.set(i, lines[i]);
}

void pack_scales(PanelLayout l, const BlockCodes& block, uint8_t* superblock, uint8_t* tile,
                 int64_t output) {
  uint8_t* scales = tile + codes_bytes(l);
  uint8_t* halves = l.superblocks ? superblock : scales;
  put_half(halves + 2 * output, block.scale);
  if (l.minimum) put_half(halves + 2 * (kBlockOutputs + output), block.minimum);
  if (!l.superblocks) return;
  for (int g = 0; g < l.groups; ++g) scales[g * kBlockOutputs + output] = block.scale_factors[g];
  if (l.minimum) scales[l.groups * kBlockOutputs + output] = block.minimum_factor;
}

struct Scales {
  float scale[2], minimum = 0;
};

Scales scales_of(PanelLayout l, const uint8_t* superblock, const uint8_t* tile, int64_t output) {
  const uint8_t* scales = tile + codes_bytes(l);
  const uint8_t* halves = l.superblocks ? superblock : scales;
  const float d = f16_at(halves + 2 * output),
              m = l.minimum ? f16_at(halves + 2 * (kBlockOutputs + output)) : 0.0f;
  if (!l.superblocks) return {{d, d}, m};
  const auto factor = [&](int g) {
    const uint8_t byte = scales[g * kBlockOutputs + output];
    return static_cast<float>(l.signed_scales ? static_cast<int8_t>(byte) : int{byte});
  };
  return {{d * factor(0), d * factor(l.groups - 1)}, l.minimum ? -(m * factor(l.groups)) : 0.0f};
}

}  // namespace

bool has_panels(WeightFormat format) { return panel_layout(format).low_lines > 0; }

size_t panels_bytes(WeightFormat format, int64_t outputs, int64_t in) {
  return static_cast<size_t>(round_up(outputs, kBlockOutputs) / kBlockOutputs *
                             panel_bytes(panel_layout(format), in));
}

void pack_panel(WeightFormat format, std::span<const std::byte* const> rows, int64_t in,
                void* panels, int64_t panel) {
  const PanelLayout l = panel_layout(format);
  auto* const begin = static_cast<uint8_t*>(panels) + panel * panel_bytes(l, in);
  for (int64_t t = 0; t < in / kTileInputs; ++t) {
    uint8_t *tile = begin + tile_offset(l, t), *superblock = begin + superblock_offset(l, t);
    for (size_t i = 0; i < rows.size(); ++i) {
      const BlockCodes block = read_codes(format, rows[i], t);
      const auto output = static_cast<int64_t>(i);
      pack_codes(l, block, lane_of(tile, output));
      pack_scales(l, block, superblock, tile, output);
    }
  }
}

void unpack_panel_row(WeightFormat format, const void* panels, int64_t in, int64_t row, float* y) {
  const PanelLayout l = panel_layout(format);
  auto* const begin = const_cast<uint8_t*>(static_cast<const uint8_t*>(panels)) +
                      row / kBlockOutputs * panel_bytes(l, in);
  const int64_t output = row % kBlockOutputs;
  for (int64_t t = 0; t < in / kTileInputs; ++t) {
    uint8_t* tile = begin + tile_offset(l, t);
    const Scales s = scales_of(l, begin + superblock_offset(l, t), tile, output);
    const Lane lane = lane_of(tile, output);
    for (int i = 0; i < kTileInputs; ++i) {
      const CodePlace place = place_of(l, i);
      uint32_t code = lane.get(place.low_line) >> place.low_bit & (l.low_lines == 8 ? 255 : 15);
      if (l.high_lines > 0)
        code |= (lane.get(place.high_line) >> place.high_bit & (l.high_lines == 2 ? 3 : 1)) << 4;
      const float weight = s.scale[i / 16] * static_cast<float>(static_cast<int>(code) - l.zero);
      y[t * kTileInputs + i] = l.minimum ? weight + s.minimum : weight;
    }
  }
}

}  // namespace ember::cpu
