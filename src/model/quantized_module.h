// SPDX-License-Identifier: Apache-2.0
// The rows of a quantised module, whose codes, scales and zero points are tensors of their own.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "ember/base/dtype.h"
#include "ember/model/checkpoint.h"

namespace ember {

// A matrix of codes of 4 or 8 bits, which may lie at any address.
struct Codes {
  enum class Order : uint8_t {
    kBytes,        // a byte each
    kAlongRow,     // words hold neighbours in a row, the last word of a row perhaps not all
    kAwq,          // as kAlongRow, but of eight columns in the order 0 2 4 6 1 3 5 7
    kAlongColumn,  // words hold neighbours in a column
  };

  uint32_t word(int64_t index) const {
    uint32_t value = 0;
    std::memcpy(&value, data + index * 4, sizeof value);
    return value + addend;
  }

  uint32_t at(int64_t row, int64_t column) const {
    if (order == Order::kBytes) return std::to_integer<uint32_t>(data[row * columns + column]);
    const int log = bits == 4 ? 3 : 2;  // of codes in a word
    const int64_t rest = (int64_t{1} << log) - 1;
    if (order == Order::kAlongColumn)
      return of_word(word((row >> log) * columns + column), row & rest);
    static constexpr uint8_t kPlaces[8] = {0, 4, 1, 5, 2, 6, 3, 7};  // of AWQ's columns
    const int64_t place = order == Order::kAwq ? kPlaces[column & rest] : column & rest;
    return of_word(word(row * ((columns + rest) >> log) + (column >> log)), place);
  }

  const std::byte* data = nullptr;
  int bits = 8;
  Order order = Order::kBytes;
  int64_t columns = 0;
  uint32_t addend = 0;  // to each word, before codes are taken from it

 private:
  uint32_t of_word(uint32_t value, int64_t place) const {
    return (value >> (place * bits)) & ((1u << bits) - 1);
  }
};

using CodeValues = std::array<float, 256>;  // the number that each code stands for
const CodeValues& unsigned_bytes();
const CodeValues& signed_bytes();
const CodeValues& e4m3_numbers();  // FP8: NaN is 0x7f and 0xff, there is no infinity

// A number for each block of rows and group of columns.
struct Scales {
  float operator[](int64_t index) const {
    return element_to_float(dtype, data, static_cast<size_t>(index));
  }
  float at(int64_t row, int64_t group) const {
    return (*this)[row / rows * row_stride + group * group_stride];
  }

  const void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 1;  // of weights that share one
  int64_t row_stride = 0, group_stride = 0;
  int64_t count = 0;
};

struct ZeroPoints {
  float at(int64_t row, int64_t group) const {
    if (codes.data == nullptr) return constant;
    const int64_t block = row / rows;
    return (*values)[grouped_rows ? codes.at(group, block) : codes.at(block, group)] + constant;
  }

  float constant = 0;  // added to all
  Codes codes;         // no data: zeros
  const CodeValues* values = &unsigned_bytes();
  bool grouped_rows = false;  // [groups, blocks of rows] instead of [blocks of rows, groups]
  int64_t rows = 1;           // of weights that share one
};

// weight[n, k] = scale(n, g) * (value of code[n, k] - zero(n, g)), g = group_of_column[k].
class QuantizedModule final : public QuantizedRows {
 public:
  void read(int64_t first, int64_t count, float* to) const override;
  std::optional<float> read_blocks(WeightFormat format, int64_t first, int64_t count,
                                   uint8_t* to) const override;
  std::string non_finite() const override;
  void release(const Checkpoint& checkpoint) const override;

  std::string codes_name, scales_name;
  std::vector<StoredTensor> tensors;  // all that it is made of
  int64_t rows = 0, columns = 0;
  int64_t groups = 0;
  std::vector<int32_t> group_of_column;
  Codes codes;
  bool transposed = false;  // codes are [columns, rows]
  const CodeValues* values = &unsigned_bytes();
  Scales scales;
  ZeroPoints zeros;

 private:
  // [count, columns]
  std::vector<uint8_t> read_codes(int64_t first, int64_t count) const;
};

}  // namespace ember
