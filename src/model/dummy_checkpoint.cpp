// SPDX-License-Identifier: Apache-2.0
#include "ember/model/dummy_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ember/base/splitmix64.h"
#include "weight_specs.h"

namespace ember {

namespace {

constexpr size_t kNumbers = 65521;  // a prime, so that no row length divides it

uint64_t next(uint64_t& state) { return mix_bits(state += kSplitMix64Step); }

void put(float value, DType dtype, std::byte* to) {
  const uint16_t half = dtype == DType::kF16 ? float_to_f16(value) : float_to_bf16(value);
  if (dtype == DType::kF32)
    std::memcpy(to, &value, sizeof value);
  else
    std::memcpy(to, &half, sizeof half);
}

float scale_of(const TensorSpec& spec) {
  if (spec.bias) return 0.05f;
  if (spec.shape.size() < 2) return 0.1f;
  const float columns = spec.role == Role::kEmbedding ? 1.0f : static_cast<float>(spec.shape[1]);
  return std::sqrt(3.0f / columns);
}

const char* type_of(DType dtype) {
  return dtype == DType::kF16 ? "F16" : dtype == DType::kBF16 ? "BF16" : "F32";
}

}  // namespace

DummyCheckpoint::DummyCheckpoint(const DecoderConfig& config, uint64_t seed, DType dtype)
    : seed_(seed), dtype_(dtype), numbers_(kNumbers) {
  uint64_t state = seed;
  for (float& number : numbers_)
    number = static_cast<float>(static_cast<double>(next(state) >> 11) * 0x1p-52 - 1);
  for (const TensorSpec& spec : required_tensors(config)) {
    const bool norm = spec.shape.size() < 2 && !spec.bias;
    tensors_[spec.name] = {spec.shape, {scale_of(spec), norm ? 1.0f : 0.0f}};
  }
}

std::vector<std::string> DummyCheckpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : tensors_) names.push_back(name);
  return names;
}

size_t DummyCheckpoint::total_bytes() const {
  size_t bytes = 0;
  for (const auto& [name, entry] : tensors_) {
    int64_t elements = 1;
    for (const int64_t n : entry.shape) elements *= n;
    bytes += static_cast<size_t>(elements) * size_of(dtype_);
  }
  return bytes;
}

// Rows are pieces of one table that begin at random places: drawing every number would take longer
// than reading a checkpoint.
StoredTensor DummyCheckpoint::stored(std::string_view name) const {
  const auto& [shape, values] = tensors_.find(name)->second;
  const int64_t rows = shape.size() == 2 ? shape[0] : 1, columns = shape.back();
  const size_t element = size_of(dtype_), bytes = static_cast<size_t>(rows * columns) * element;
  // Twice, so that every piece of it is contiguous.
  std::vector<std::byte> table(2 * kNumbers * element);
  for (size_t i = 0; i < 2 * kNumbers; ++i)
    put(numbers_[i % kNumbers] * values.scale + values.shift, dtype_, table.data() + i * element);
  uint64_t state = seed_;
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  const std::shared_ptr<std::byte[]> data = std::make_shared_for_overwrite<std::byte[]>(bytes);
  std::byte* to = data.get();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t done = 0; done < columns;) {
      const auto count = std::min<int64_t>(columns - done, kNumbers);
      std::memcpy(to, table.data() + next(state) % kNumbers * element,
                  static_cast<size_t>(count) * element);
      to += static_cast<size_t>(count) * element;
      done += count;
    }
  return {.type = type_of(dtype_),
          .format = format_of(dtype_),
          .shape = shape,
          .data = data.get(),
          .bytes = bytes,
          .file = path_,
          .owner = data};
}

}  // namespace ember
