// SPDX-License-Identifier: Apache-2.0
#include "ember/model/dequantize.h"

#include <array>
#include <cstring>

#include "ember/base/check.h"

namespace ember {

namespace {

using Byte = uint8_t;

int low(Byte b) { return b & 15; }
int high(Byte b) { return b >> 4; }
int as_signed(Byte b) { return static_cast<int8_t>(b); }

// Blocks of 32: weights j and j + 16 share byte j.

void q8_0(const Byte* b, float* y) {
  const float d = f16_at(b);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<float>(as_signed(b[2 + j]));
}

// Four bits, with the fifth in `qh` where it is not null, of weight j.
int nibble(const Byte* qs, const Byte* qh, int j) {
  const int four = j < 16 ? low(qs[j]) : high(qs[j - 16]);
  return qh == nullptr ? four : four | ((qh[j / 8] >> (j % 8)) & 1) << 4;
}

template <bool kFifthBit>
void centred(const Byte* b, float* y) {
  const float d = f16_at(b);
  const Byte *qh = kFifthBit ? b + 2 : nullptr, *qs = b + (kFifthBit ? 6 : 2);
  for (int j = 0; j < 32; ++j)
    y[j] = d * static_cast<float>(nibble(qs, qh, j) - (kFifthBit ? 16 : 8));
}

template <bool kFifthBit>
void with_minimum(const Byte* b, float* y) {
  const float d = f16_at(b), m = f16_at(b + 2);
  const Byte *qh = kFifthBit ? b + 4 : nullptr, *qs = b + (kFifthBit ? 8 : 4);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<float>(nibble(qs, qh, j)) + m;
}

void iq4_nl(const Byte* b, float* y) {
  static constexpr float kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
  const float d = f16_at(b);
  for (int j = 0; j < 32; ++j) y[j] = d * kValues[nibble(b + 2, nullptr, j)];
}

// The scale is a power of two; the values are doubled, so that they are integers.
void mxfp4(const Byte* b, float* y) {
  static constexpr float kValues[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const uint32_t e = b[0], bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;
  const float d = std::bit_cast<float>(bits);
  for (int j = 0; j < 32; ++j) y[j] = d * kValues[nibble(b + 1, nullptr, j)];
}

// Blocks of 256: sub-blocks with scales of their own.

void q2_k(const Byte* b, float* y) {
  const Byte *sc = b, *qs = b + 16;
  const float d = f16_at(b + 80), dmin = f16_at(b + 82);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    const int q = (qs[32 * half + l] >> (2 * quarter)) & 3;
    const Byte s = sc[i / 16];
    const float scale = d * static_cast<float>(low(s)), m = dmin * static_cast<float>(high(s));
    y[i] = scale * static_cast<float>(q) - m;
  }
}

void q3_k(const Byte* b, float* y) {
  const Byte *mask = b, *qs = b + 32, *sc = b + 96;
  const float d = f16_at(b + 108);
  float scales[16];
  for (int s = 0; s < 16; ++s) {
    const int four = s < 8 ? low(sc[s]) : high(sc[s - 8]);
    const int two = (sc[8 + s % 4] >> (2 * (s / 4))) & 3;
    scales[s] = d * static_cast<float>((four | two << 4) - 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    const int two = (qs[32 * half + l] >> (2 * quarter)) & 3;
    const bool set = ((mask[l] >> (4 * half + quarter)) & 1) != 0;
    y[i] = scales[i / 16] * static_cast<float>(two - (set ? 0 : 4));
  }
}

struct ScaleAndMin {
  float scale, min;
};

// The eight pairs of six bits that Q4_K and Q5_K begin with, behind d and dmin.
std::array<ScaleAndMin, 8> six_bit_pairs(const Byte* b) {
  const float d = f16_at(b), dmin = f16_at(b + 2);
  const Byte* sc = b + 4;
  std::array<ScaleAndMin, 8> pairs;
  for (size_t s = 0; s < 8; ++s) {
    const int scale = s < 4 ? sc[s] & 63 : low(sc[s + 4]) | (sc[s - 4] >> 6) << 4;
    const int min = s < 4 ? sc[s + 4] & 63 : high(sc[s + 4]) | (sc[s] >> 6) << 4;
    pairs[s] = {d * static_cast<float>(scale), dmin * static_cast<float>(min)};
  }
  return pairs;
}

template <bool kFifthBit>
void q4_or_q5_k(const Byte* b, float* y) {
  const std::array<ScaleAndMin, 8> pairs = six_bit_pairs(b);
  const Byte *qh = b + 16, *qs = b + (kFifthBit ? 48 : 16);
  for (size_t s = 0; s < 8; ++s)
    for (size_t l = 0; l < 32; ++l) {
      const Byte both = qs[32 * (s / 2) + l];
      int q = s % 2 == 0 ? low(both) : high(both);
      if (kFifthBit) q |= ((qh[l] >> s) & 1) << 4;
      y[32 * s + l] = pairs[s].scale * static_cast<float>(q) - pairs[s].min;
    }
}

void q6_k(const Byte* b, float* y) {
  const Byte *ql = b, *qh = b + 128, *sc = b + 192;
  const float d = f16_at(b + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    const Byte both = ql[64 * half + 32 * (quarter & 1) + l];
    const int four = quarter < 2 ? low(both) : high(both);
    const int two = (qh[32 * half + l] >> (2 * quarter)) & 3;
    y[i] =
        d * static_cast<float>(as_signed(sc[i / 16])) * static_cast<float>((four | two << 4) - 32);
  }
}

using ReadBlock = void (*)(const Byte*, float*);

ReadBlock reader_of(WeightFormat format) {
  switch (format) {
    case WeightFormat::kQ4_0:
      return centred<false>;
    case WeightFormat::kQ4_1:
      return with_minimum<false>;
    case WeightFormat::kQ5_0:
      return centred<true>;
    case WeightFormat::kQ5_1:
      return with_minimum<true>;
    case WeightFormat::kQ8_0:
      return q8_0;
    case WeightFormat::kQ2_K:
      return q2_k;
    case WeightFormat::kQ3_K:
      return q3_k;
    case WeightFormat::kQ4_K:
      return q4_or_q5_k<false>;
    case WeightFormat::kQ5_K:
      return q4_or_q5_k<true>;
    case WeightFormat::kQ6_K:
      return q6_k;
    case WeightFormat::kIQ4_NL:
      return iq4_nl;
    case WeightFormat::kMXFP4:
      return mxfp4;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_dequantize(WeightFormat format) {
  return dtype_of(format).has_value() || reader_of(format) != nullptr;
}

void dequantize(WeightFormat format, const std::byte* row, int64_t columns, float* to) {
  if (const std::optional<DType> plain = dtype_of(format)) {
    for (int64_t i = 0; i < columns; ++i)
      to[i] = element_to_float(*plain, row, static_cast<size_t>(i));
    return;
  }
  const ReadBlock read = reader_of(format);
  CHECK(read != nullptr, "{} is no format of blocks", name_of(format));
  const WeightFormatInfo& block = info_of(format);
  const auto* bytes = reinterpret_cast<const Byte*>(row);
  for (int64_t i = 0; i < columns; i += block.block_weights, bytes += block.block_bytes)
    read(bytes, to + i);
}

}  // namespace ember
