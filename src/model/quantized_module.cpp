// SPDX-License-Identifier: Apache-2.0
#include "quantized_module.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ember {

namespace {

template <class Function>
constexpr CodeValues make_values(Function value_of) {
  CodeValues values{};
  for (uint32_t code = 0; code < 256; ++code) values[code] = value_of(code);
  return values;
}

// A sign, four bits of exponent, three of mantissa.
constexpr float e4m3_to_float(uint32_t code) {
  const uint32_t exponent = (code >> 3) & 15, mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  const float sign = (code & 0x80) != 0 ? -1.0f : 1.0f;
  if (exponent == 0) return sign * static_cast<float>(mantissa) * 0x1p-9f;
  return sign * std::bit_cast<float>((exponent + 120) << 23 | mantissa << 20);
}

constexpr CodeValues kUnsigned =
    make_values([](uint32_t code) { return static_cast<float>(code); });
constexpr CodeValues kSigned =
    make_values([](uint32_t code) { return static_cast<float>(static_cast<int8_t>(code)); });
constexpr CodeValues kE4m3 = make_values(e4m3_to_float);

constexpr int64_t kBlock = 32;

// A number as a block's float16. Returns it if it is too large for that.
std::optional<float> put_half(float value, uint8_t* to) {
  const uint16_t half = float_to_f16(value);
  std::memcpy(to, &half, sizeof half);
  if (std::isfinite(value) && !std::isfinite(f16_to_float(half))) return value;
  return std::nullopt;
}

}  // namespace

const CodeValues& unsigned_bytes() { return kUnsigned; }
const CodeValues& signed_bytes() { return kSigned; }
const CodeValues& e4m3_numbers() { return kE4m3; }

std::vector<uint8_t> QuantizedModule::read_codes(int64_t first, int64_t count) const {
  std::vector<uint8_t> tile(static_cast<size_t>(count * columns));
  uint8_t* to = tile.data();
  if (transposed)
    for (int64_t k = 0; k < columns; ++k)
      for (int64_t r = 0; r < count; ++r)
        to[r * columns + k] = static_cast<uint8_t>(codes.at(k, first + r));
  else
    for (int64_t r = 0; r < count; ++r)
      for (int64_t k = 0; k < columns; ++k)
        to[r * columns + k] = static_cast<uint8_t>(codes.at(first + r, k));
  return tile;
}

void QuantizedModule::read(int64_t first, int64_t count, float* to) const {
  const std::vector<uint8_t> tile = read_codes(first, count);
  std::vector<float> scale(static_cast<size_t>(groups)), zero(scale.size());
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      scale[static_cast<size_t>(g)] = scales.at(first + r, g);
      zero[static_cast<size_t>(g)] = zeros.at(first + r, g);
    }
    const uint8_t* of_row = tile.data() + r * columns;
    for (int64_t k = 0; k < columns; ++k) {
      const auto g = static_cast<size_t>(group_of_column[static_cast<size_t>(k)]);
      to[r * columns + k] = scale[g] * ((*values)[of_row[k]] - zero[g]);
    }
  }
}

std::optional<float> QuantizedModule::read_blocks(WeightFormat format, int64_t first, int64_t count,
                                                  uint8_t* to) const {
  const std::vector<uint8_t> tile = read_codes(first, count);
  const bool minimum = format == WeightFormat::kQ4_1, nibbles = format != WeightFormat::kQ8_0;
  std::optional<float> too_large;
  for (int64_t r = 0; r < count; ++r)
    for (int64_t k = 0; k < columns; k += kBlock) {
      const int64_t group = group_of_column[static_cast<size_t>(k)];
      const float scale = scales.at(first + r, group), zero = zeros.at(first + r, group);
      if (const auto large = put_half(scale, to)) too_large = large;
      to += 2;
      if (minimum) {
        if (const auto large = put_half(-(scale * zero), to)) too_large = large;
        to += 2;
      }
      const uint8_t* of_block = tile.data() + r * columns + k;
      if (nibbles) {
        for (int64_t j = 0; j < kBlock / 2; ++j)
          *to++ = static_cast<uint8_t>(of_block[j] | of_block[j + kBlock / 2] << 4);
        continue;
      }
      for (int64_t j = 0; j < kBlock; ++j)
        *to++ = static_cast<uint8_t>(static_cast<int>((*values)[of_block[j]] - zero));
    }
  return too_large;
}

std::string QuantizedModule::non_finite() const {
  for (int64_t i = 0; i < scales.count; ++i)
    if (!std::isfinite(scales[i])) return scales_name;
  std::vector<float> tile(static_cast<size_t>(kTileRows * columns));
  for (int64_t r = 0; r < rows; r += kTileRows) {
    const int64_t count = std::min(kTileRows, rows - r);
    read(r, count, tile.data());
    for (int64_t i = 0; i < count * columns; ++i)
      if (!std::isfinite(tile[static_cast<size_t>(i)])) return codes_name;
  }
  return "";
}

void QuantizedModule::release(const Checkpoint& checkpoint) const {
  for (const StoredTensor& tensor : tensors) checkpoint.release(tensor);
}

}  // namespace ember
