// SPDX-License-Identifier: Apache-2.0
#include "dummy_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ember/base/splitmix64.h"

namespace ember {

namespace {

constexpr size_t kNumbers = 65521;  // a prime, so that no row length divides it

uint64_t next(uint64_t& state) { return mix_bits(state += kSplitMix64Step); }

void put(float value, DType dtype, uint8_t* to) {
  const uint16_t half = dtype == DType::kF16 ? float_to_f16(value) : float_to_bf16(value);
  if (dtype == DType::kF32)
    std::memcpy(to, &value, sizeof value);
  else
    std::memcpy(to, &half, sizeof half);
}

}  // namespace

DummyWeights::DummyWeights(uint64_t seed) : seed_(seed), numbers_(kNumbers) {
  uint64_t state = seed;
  for (float& number : numbers_)
    number = static_cast<float>(static_cast<double>(next(state) >> 11) * 0x1p-52 - 1);
}

// Rows are pieces of one table that begin at random places: drawing every number would take longer
// than reading a checkpoint.
Tensor DummyWeights::tensor(const std::string& name, std::span<const int64_t> shape, DType dtype,
                            std::vector<uint8_t>& storage) const {
  const bool matrix = shape.size() == 2, bias = name.ends_with(".bias"),
             embedding = name.ends_with("embed_tokens.weight");
  const int64_t rows = matrix ? shape[0] : 1, columns = shape.back();
  const float scale = bias ? 0.05f
                      : !matrix
                          ? 0.1f
                          : std::sqrt(3.0f / (embedding ? 1.0f : static_cast<float>(columns)));
  const float shift = matrix || bias ? 0 : 1;
  const size_t element = size_of(dtype);
  std::vector<uint8_t> table(2 * kNumbers *
                             element);  // twice, so that every piece of it is contiguous
  for (size_t i = 0; i < 2 * kNumbers; ++i)
    put(numbers_[i % kNumbers] * scale + shift, dtype, table.data() + i * element);
  uint64_t state = seed_;
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  storage.resize(static_cast<size_t>(rows * columns) * element);
  uint8_t* to = storage.data();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t done = 0; done < columns;) {
      const auto count = std::min<int64_t>(columns - done, kNumbers);
      std::memcpy(to, table.data() + next(state) % kNumbers * element,
                  static_cast<size_t>(count) * element);
      to += static_cast<size_t>(count) * element;
      done += count;
    }
  return matrix ? Tensor(storage.data(), dtype, {rows, columns})
                : Tensor(storage.data(), dtype, {columns});
}

}  // namespace ember
