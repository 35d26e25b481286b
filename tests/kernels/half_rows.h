// SPDX-License-Identifier: Apache-2.0
// Rows of 16-bit floats for kernel tests, with canaries wherever a kernel must not write.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/bench/reference.h"
#include "kernels/ops.h"

namespace ember::kernels {

// How far a stored value may be from the exact one: half a unit in its last place, and 1e-6 of the
// magnitudes it was made of.
inline double store_tolerance(DType dtype, double exact, double magnitude = 0) {
  const double unit = dtype == DType::kF16 ? 0x1p-11 : 0x1p-8,
               least = dtype == DType::kF16 ? 0x1p-25 : 0x1p-134;
  return std::abs(exact) * unit * 1.001 + 1e-6 * magnitude + least;
}

class HalfRows {
 public:
  HalfRows(DType dtype, int rows, int columns, int padding = 8)
      : dtype_(dtype),
        rows_(rows),
        columns_(columns),
        stride_((columns + 7) / 8 * 8 + padding),
        bits_(static_cast<size_t>((rows + 1) * stride_), kCanary) {}

  DType dtype() const { return dtype_; }
  int num_rows() const { return rows_; }
  int columns() const { return columns_; }
  int64_t stride() const { return stride_; }
  uint16_t* data() { return bits_.data(); }
  uint16_t& bits(int row, int column) { return bits_[static_cast<size_t>(row * stride_ + column)]; }
  float get(int row, int column) { return half_value(dtype_, bits(row, column)); }
  void set(int row, int column, float v) { bits(row, column) = half_bits(dtype_, v); }
  void fill_normal(std::mt19937& random, float deviation = 1) {
    std::normal_distribution<float> normal(0, deviation);
    for (int r = 0; r < rows_; ++r)
      for (int c = 0; c < columns_; ++c) set(r, c, normal(random));
  }
  Rows view() { return {bits_.data(), stride_, rows_, columns_}; }
  Rows view(int rows) { return {bits_.data(), stride_, rows, columns_}; }

  // What lies beside the rows, and all of rows `from` and later, is as it was made.
  void expect_canaries(int from) {
    for (int r = 0; r <= rows_; ++r)
      for (int c = r < from ? columns_ : 0; c < stride_; ++c)
        ASSERT_EQ(bits(r, c), kCanary) << "row " << r << " column " << c;
  }
  void expect_canaries() { expect_canaries(rows_); }

 private:
  DType dtype_;
  int rows_, columns_;
  int64_t stride_;
  std::vector<uint16_t> bits_;
};

}  // namespace ember::kernels
