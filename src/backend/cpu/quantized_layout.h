// SPDX-License-Identifier: Apache-2.0
// Where a matrix of quantised weights keeps its codes and scales.
//
// A panel is 32 outputs by all inputs. It is a row of tiles of 32 inputs, and a tile has two halves
// of 16 outputs: one lane of 32 bits for each. A weight is scale * (code - zero) + minimum, where
// scale and minimum belong to a group of an output's neighbouring inputs.
//
// A tile is
//   lines of 16 lanes, of either half in turn: high_lines of high bits, then low_lines of low bits;
//   scales, then minimums: 32 float16 of either; or, with superblocks, 32 bytes for each group and
//   32 for the minimums, which are multiplied by float16s of eight tiles.
// A superblock is these float16s, 32 scales, then 32 minimums, and eight tiles behind them.
//
// Pair n of a half is its inputs 2n and 2n + 1, n = 4j + p: two 16-bit numbers of a lane, of which
//   nibbles: line j has the low four bits from bit 4p on of each 16-bit number;
//   bytes:   line 2j + p % 2 has eight bits from bit 8 (p / 2) on of each;
//   one line of high bits has bit 2j + p % 2 + 8 (p / 2) of each;
//   two have bits 4 (j % 2) + 2 (p % 2) + 8 (p / 2) and the next of each, in line j / 2.
// So the pairs p and p + 2 are four bytes after one shift and one mask. Of each eight neighbouring
// inputs these are 0 4 1 5 and 2 6 3 7, the order of quads, which inputs of eight bits have, too.
#pragma once

#include <cstdint>

#include "cpu/kernels.h"
#include "ember/base/weight_format.h"

namespace ember::cpu {

struct PanelLayout {
  int low_lines = 0;  // of a half: 4 of nibbles or 8 of bytes; 0: the format has no panels
  int high_lines = 0;
  int zero = 0;
  int groups = 1;  // of a tile: 32 / groups inputs share a scale
  bool minimum = false;
  bool superblocks = false;
  bool signed_scales = false;  // the bytes of superblocks
};

// static: see round_up.
static constexpr int64_t kTileInputs = 32, kSuperblockTiles = 8, kLineBytes = 64;

static constexpr PanelLayout panel_layout(WeightFormat format) {
  switch (format) {
    case WeightFormat::kQ4_0:
      return {.low_lines = 4, .zero = 8};
    case WeightFormat::kQ4_1:
      return {.low_lines = 4, .minimum = true};
    case WeightFormat::kQ5_0:
      return {.low_lines = 4, .high_lines = 1, .zero = 16};
    case WeightFormat::kQ5_1:
      return {.low_lines = 4, .high_lines = 1, .minimum = true};
    case WeightFormat::kQ8_0:
      return {.low_lines = 8, .zero = 128};
    case WeightFormat::kQ4_K:
      return {.low_lines = 4, .minimum = true, .superblocks = true};
    case WeightFormat::kQ5_K:
      return {.low_lines = 4, .high_lines = 1, .minimum = true, .superblocks = true};
    case WeightFormat::kQ6_K:
      return {.low_lines = 4,
              .high_lines = 2,
              .zero = 32,
              .groups = 2,
              .superblocks = true,
              .signed_scales = true};
    default:
      return {};
  }
}

// Where a line of a half lies in its tile; and what all of them take.
static constexpr int64_t line_offset(int64_t line, int64_t half) {
  return (2 * line + half) * kLineBytes;
}
static constexpr int64_t codes_bytes(PanelLayout l) {
  return line_offset(l.high_lines + l.low_lines, 0);
}

static constexpr int64_t tile_bytes(PanelLayout l) {
  const int64_t scale = l.superblocks ? l.groups : 2, minimum = l.superblocks ? 1 : 2;
  return codes_bytes(l) + (scale + (l.minimum ? minimum : 0)) * kBlockOutputs;
}

// Of the float16s in front of a superblock's tiles.
static constexpr int64_t superblock_head(PanelLayout l) {
  return (l.minimum ? 4 : 2) * int64_t{kBlockOutputs};
}

static constexpr int64_t superblock_bytes(PanelLayout l) {
  return superblock_head(l) + kSuperblockTiles * tile_bytes(l);
}

// Where a tile of a panel begins, and the superblock that it is in.
static constexpr int64_t superblock_offset(PanelLayout l, int64_t tile) {
  return tile / kSuperblockTiles * superblock_bytes(l);
}
static constexpr int64_t tile_offset(PanelLayout l, int64_t tile) {
  return l.superblocks ? superblock_offset(l, tile) + superblock_head(l) +
                             tile % kSuperblockTiles * tile_bytes(l)
                       : tile * tile_bytes(l);
}
static constexpr int64_t panel_bytes(PanelLayout l, int64_t in) {
  const int64_t tiles = in / kTileInputs;
  return l.superblocks ? superblock_offset(l, tiles) : tiles * tile_bytes(l);
}

}  // namespace ember::cpu
