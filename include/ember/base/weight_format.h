// SPDX-License-Identifier: Apache-2.0
// How the weights of a matrix are stored, in a checkpoint or on a device: in blocks along a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ember/base/dtype.h"

namespace ember {

// The first three are plain numbers (see DType); the others are GGUF's block types under GGUF's
// names, and the formats of quantised Hugging Face checkpoints, whose scales are stored apart.
enum class WeightFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kMXFP4,
  kInt4,
  kF8E4M3,
  kInt8,
};

struct WeightFormatInfo {
  const char* name;
  int block_weights;  // neighbours in a row that are stored together
  int block_bytes;    // of such a block
};

// In the order of WeightFormat.
inline constexpr WeightFormatInfo kWeightFormats[] = {
    {"float32", 1, 4},     {"float16", 1, 2},  {"bfloat16", 1, 2}, {"Q4_0", 32, 18},
    {"Q4_1", 32, 20},      {"Q5_0", 32, 22},   {"Q5_1", 32, 24},   {"Q8_0", 32, 34},
    {"Q2_K", 256, 84},     {"Q3_K", 256, 110}, {"Q4_K", 256, 144}, {"Q5_K", 256, 176},
    {"Q6_K", 256, 210},    {"IQ4_NL", 32, 18}, {"MXFP4", 32, 17},  {"int4", 2, 1},
    {"float8_e4m3", 1, 1}, {"int8", 1, 1}};

constexpr const WeightFormatInfo& info_of(WeightFormat format) {
  return kWeightFormats[static_cast<size_t>(format)];
}

constexpr const char* name_of(WeightFormat format) { return info_of(format).name; }

// Of one row of `columns` weights, which is a multiple of the format's block_weights.
constexpr size_t row_bytes(WeightFormat format, int64_t columns) {
  return static_cast<size_t>(columns / info_of(format).block_weights * info_of(format).block_bytes);
}

// The format of a tensor's elements; float types only.
constexpr WeightFormat format_of(DType dtype) {
  return dtype == DType::kF16    ? WeightFormat::kF16
         : dtype == DType::kBF16 ? WeightFormat::kBF16
                                 : WeightFormat::kF32;
}

// nullopt: the format is none of plain numbers.
constexpr std::optional<DType> dtype_of(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return DType::kF32;
    case WeightFormat::kF16:
      return DType::kF16;
    case WeightFormat::kBF16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

}  // namespace ember
