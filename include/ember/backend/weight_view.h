// SPDX-License-Identifier: Apache-2.0
// Weights in host memory, as Backend::make_linear takes them.
#pragma once

#include "ember/base/tensor.h"
#include "ember/base/weight_format.h"

namespace ember {

// What a matrix occupies depends on this alone.
struct WeightShape {
  WeightFormat format = WeightFormat::kF32;
  int64_t rows = 0;     // outputs
  int64_t columns = 0;  // inputs; a multiple of the format's block
};

// Rows of a matrix. Owns nothing. Row r begins at data + r * row_bytes, so that a view may also
// take some neighbouring columns of every row; `data` may lie at any address.
struct WeightView : WeightShape {
  const std::byte* data = nullptr;
  size_t row_bytes = 0;  // from one row to the next

  const std::byte* row(int64_t r) const { return data + static_cast<size_t>(r) * row_bytes; }
};

// Of a tensor [rows, columns] of floats in host memory.
inline WeightView weight_view(const Tensor& host) {
  return {{format_of(host.dtype), host.shape[0], host.shape[1]},
          static_cast<const std::byte*>(host.data),
          static_cast<size_t>(host.row_stride) * size_of(host.dtype)};
}

}  // namespace ember
