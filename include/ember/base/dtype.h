// SPDX-License-Identifier: Apache-2.0
// Element types of tensors, and exact conversions between 16-bit and 32-bit floats.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ember {

enum class DType : uint8_t { kF32, kF16, kBF16, kI32 };

constexpr size_t size_of(DType t) { return t == DType::kF16 || t == DType::kBF16 ? 2 : 4; }

constexpr const char* name_of(DType t) {
  switch (t) {
    case DType::kF32:
      return "float32";
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    case DType::kI32:
      return "int32";
  }
  return "?";
}

constexpr float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Rounds to nearest, ties to even; a NaN stays a (quiet) NaN.
constexpr uint16_t float_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

constexpr float f16_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu, fraction = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal, exact
  return sign ? -magnitude : magnitude;
}

// Rounds to nearest, ties to even; beyond the largest finite value gives infinity, as IEEE 754
// says.
constexpr uint16_t float_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // below 2^-14: a multiple of 2^-24
    const float scaled = std::bit_cast<float>(magnitude) + 0.5f;  // the addition rounds at 2^-24
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(scaled) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

// The bits of a 16-bit number, and what they are as float16; it may lie at any address.
inline uint16_t half_bits_at(const void* at) {
  uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}
inline float f16_at(const void* at) { return f16_to_float(half_bits_at(at)); }

// Element i of an array of F32, F16 or BF16, which may lie at any address.
inline float element_to_float(DType type, const void* data, size_t i) {
  uint32_t bits = 0;
  std::memcpy(&bits, static_cast<const std::byte*>(data) + i * size_of(type), size_of(type));
  if (type == DType::kF16) return f16_to_float(static_cast<uint16_t>(bits));
  if (type == DType::kBF16) return bf16_to_float(static_cast<uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

}  // namespace ember
