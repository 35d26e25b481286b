// SPDX-License-Identifier: Apache-2.0
#include "cpu/quantized_blocks.h"

#include "ember/base/check.h"
#include "ember/base/dtype.h"

namespace ember::cpu {

namespace {

// Weights i and i + 16 share a byte; bit i of `high` is the fifth of weight i.
void read_nibbles(const uint8_t* low, const uint8_t* high, uint8_t (&codes)[32]) {
  for (int i = 0; i < 32; ++i) {
    const int four = i < 16 ? low[i] & 15 : low[i - 16] >> 4;
    const int fifth = high == nullptr ? 0 : (high[i / 8] >> (i % 8)) & 1;
    codes[i] = static_cast<uint8_t>(four | fifth << 4);
  }
}

BlockCodes read_block_of_32(WeightFormat format, const uint8_t* b) {
  BlockCodes block;
  block.scale = half_bits_at(b);
  switch (format) {
    case WeightFormat::kQ4_0:
      read_nibbles(b + 2, nullptr, block.codes);
      break;
    case WeightFormat::kQ5_0:
      read_nibbles(b + 6, b + 2, block.codes);
      break;
    case WeightFormat::kQ4_1:
      block.minimum = half_bits_at(b + 2);
      read_nibbles(b + 4, nullptr, block.codes);
      break;
    case WeightFormat::kQ5_1:
      block.minimum = half_bits_at(b + 2);
      read_nibbles(b + 8, b + 4, block.codes);
      break;
    case WeightFormat::kQ8_0:  // signed
      for (int i = 0; i < 32; ++i) block.codes[i] = static_cast<uint8_t>(b[2 + i] + 128);
      break;
    default:
      CHECK(false, "{} has no blocks of 32 codes", name_of(format));
  }
  return block;
}

// Sub-block s of Q4_K or Q5_K. Eight scales and eight minimums of six bits lie in 12 bytes.
BlockCodes read_q4_or_q5_k(const uint8_t* b, int s, bool fifth_bit) {
  BlockCodes block{.scale = half_bits_at(b), .minimum = half_bits_at(b + 2)};
  const uint8_t* sc = b + 4;
  const int scale = s < 4 ? sc[s] & 63 : (sc[s + 4] & 15) | (sc[s - 4] >> 6) << 4;
  const int minimum = s < 4 ? sc[s + 4] & 63 : sc[s + 4] >> 4 | (sc[s] >> 6) << 4;
  block.scale_factors[0] = block.scale_factors[1] = static_cast<uint8_t>(scale);
  block.minimum_factor = static_cast<uint8_t>(minimum);
  const uint8_t *high = b + 16, *low = b + (fifth_bit ? 48 : 16) + 32 * (s / 2);
  for (int i = 0; i < 32; ++i) {
    const int four = s % 2 == 0 ? low[i] & 15 : low[i] >> 4;
    block.codes[i] = static_cast<uint8_t>(four | (fifth_bit ? ((high[i] >> s) & 1) << 4 : 0));
  }
  return block;
}

// Sub-block s of Q6_K: quarter s % 4 of half s / 4.
BlockCodes read_q6_k(const uint8_t* b, int s) {
  BlockCodes block{.scale = half_bits_at(b + 208)};
  const int half = s / 4, quarter = s % 4;
  const uint8_t *low = b + 64 * half + 32 * (quarter & 1), *high = b + 128 + 32 * half;
  for (int i = 0; i < 32; ++i) {
    const int four = quarter < 2 ? low[i] & 15 : low[i] >> 4;
    block.codes[i] = static_cast<uint8_t>(four | ((high[i] >> (2 * quarter)) & 3) << 4);
  }
  block.scale_factors[0] = b[192 + 2 * s];
  block.scale_factors[1] = b[192 + 2 * s + 1];
  return block;
}

}  // namespace

BlockCodes read_codes(WeightFormat format, const std::byte* row, int64_t tile) {
  const WeightFormatInfo& info = info_of(format);
  const int tiles = info.block_weights / 32, s = static_cast<int>(tile % tiles);
  const auto* b = reinterpret_cast<const uint8_t*>(row) + tile / tiles * info.block_bytes;
  switch (format) {
    case WeightFormat::kQ4_K:
      return read_q4_or_q5_k(b, s, false);
    case WeightFormat::kQ5_K:
      return read_q4_or_q5_k(b, s, true);
    case WeightFormat::kQ6_K:
      return read_q6_k(b, s);
    default:
      return read_block_of_32(format, b);
  }
}

}  // namespace ember::cpu
