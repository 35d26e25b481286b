// SPDX-License-Identifier: Apache-2.0
// GGUF files made by hand, sound ones and others.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/weight_format.h"
#include "ember/model/gguf_file.h"

namespace ember::test {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
inline std::string raw_text(std::string_view text) {
  return raw<uint64_t>(text.size()) + std::string(text);
}

// A file is header() and, behind padding, data(); whatever a test wants to be wrong is a member.
class GgufWriter {
 public:
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;                  // of the tensors; say it in the metadata, too
  int64_t more_tensors = 0, more_keys = 0;  // than there are, by the counts

  GgufWriter& value(std::string_view key, GgufValueType type, const std::string& bytes) {
    keys_ += raw_text(key) + raw(static_cast<uint32_t>(type)) + bytes;
    ++num_keys_;
    return *this;
  }
  GgufWriter& u32(std::string_view key, uint32_t v) {
    return value(key, GgufValueType::kU32, raw(v));
  }
  GgufWriter& f32(std::string_view key, float v) { return value(key, GgufValueType::kF32, raw(v)); }
  GgufWriter& boolean(std::string_view key, bool v) {
    return value(key, GgufValueType::kBool, std::string(1, v ? '\1' : '\0'));
  }
  GgufWriter& text(std::string_view key, std::string_view v) {
    return value(key, GgufValueType::kString, raw_text(v));
  }
  GgufWriter& array(std::string_view key, GgufValueType element, uint64_t count,
                    const std::string& bytes) {
    return value(key, GgufValueType::kArray,
                 raw(static_cast<uint32_t>(element)) + raw(count) + bytes);
  }
  GgufWriter& texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes;
    for (const std::string& v : values) bytes += raw_text(v);
    return array(key, GgufValueType::kString, values.size(), bytes);
  }
  template <class T>
  GgufWriter& numbers(std::string_view key, GgufValueType element, const std::vector<T>& values) {
    std::string bytes;
    for (const T v : values) bytes += raw(v);
    return array(key, element, values.size(), bytes);
  }

  // shape: rows first. The offset is where the data is put, but for `shift`.
  GgufWriter& tensor(std::string_view name, const std::vector<int64_t>& shape, uint32_t type,
                     const std::string& bytes, int64_t shift = 0) {
    infos_ += raw_text(name) + raw(static_cast<uint32_t>(shape.size()));
    for (auto n = shape.rbegin(); n != shape.rend(); ++n) infos_ += raw(*n);
    infos_ += raw(type) + raw(data_.size() + static_cast<uint64_t>(shift));
    data_ += bytes;
    data_.append((alignment - data_.size() % alignment) % alignment, '\0');
    ++num_tensors_;
    return *this;
  }

  std::string header() const {
    return magic + raw(version) + raw(num_tensors_ + static_cast<uint64_t>(more_tensors)) +
           raw(num_keys_ + static_cast<uint64_t>(more_keys)) + keys_ + infos_;
  }
  std::string bytes() const {
    std::string file = header();
    file.append((alignment - file.size() % alignment) % alignment, '\0');
    return file + data_;
  }

 private:
  std::string keys_, infos_, data_;
  uint64_t num_keys_ = 0, num_tensors_ = 0;
};

// The file's number of a type.
inline uint32_t gguf_type(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF16:
      return 1;
    case WeightFormat::kQ4_0:
      return 2;
    case WeightFormat::kQ4_1:
      return 3;
    case WeightFormat::kQ5_0:
      return 6;
    case WeightFormat::kQ5_1:
      return 7;
    case WeightFormat::kQ8_0:
      return 8;
    case WeightFormat::kQ2_K:
      return 10;
    case WeightFormat::kQ4_K:
      return 12;
    case WeightFormat::kQ5_K:
      return 13;
    case WeightFormat::kQ6_K:
      return 14;
    case WeightFormat::kBF16:
      return 30;
    default:
      return 0;
  }
}

// Floats as float32, float16, bfloat16, Q8_0 or Q4_0, rounded to nearest.
inline std::string stored_as(WeightFormat format, const std::vector<float>& values) {
  std::string bytes;
  if (format == WeightFormat::kF32) {
    for (const float v : values) bytes += raw(v);
    return bytes;
  }
  if (const auto dtype = dtype_of(format)) {
    for (const float v : values)
      bytes += raw(*dtype == DType::kF16 ? float_to_f16(v) : float_to_bf16(v));
    return bytes;
  }
  const bool eight = format == WeightFormat::kQ8_0;
  for (size_t begin = 0; begin < values.size(); begin += 32) {
    const float* block = values.data() + begin;
    float largest = 0;
    for (int j = 0; j < 32; ++j) largest = std::max(largest, std::abs(block[j]));
    const uint16_t scale = float_to_f16(largest / (eight ? 127 : 7));
    const float d = f16_to_float(scale);
    const auto steps = [&](int j) {
      return d == 0 ? 0 : static_cast<int>(std::lround(block[j] / d));
    };
    bytes += raw(scale);
    for (int j = 0; j < (eight ? 32 : 16); ++j)
      bytes += static_cast<char>(eight ? steps(j) : (steps(j) + 8) | (steps(j + 16) + 8) << 4);
  }
  return bytes;
}

}  // namespace ember::test
