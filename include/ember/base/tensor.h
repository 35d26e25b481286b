// SPDX-License-Identifier: Apache-2.0
// A view of a matrix or vector in some device's memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "ember/base/dtype.h"

namespace ember {

// Does not own the memory; copies are cheap. Elements are contiguous, except that rows (the indices
// of dimension 0) are `row_stride` elements apart.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::kF32;
  int ndim = 0;  // number of dimensions
  std::array<int64_t, 4> shape{};
  int64_t row_stride = 0;  // in elements

  Tensor() = default;
  Tensor(void* data_, DType dtype_, std::initializer_list<int64_t> shape_)
      : data(data_), dtype(dtype_) {
    for (const int64_t n : shape_) shape[static_cast<size_t>(ndim++)] = n;
    row_stride = 1;
    for (int i = 1; i < ndim; ++i) row_stride *= shape[static_cast<size_t>(i)];
  }

  explicit operator bool() const { return data != nullptr; }
  int64_t elements() const {
    int64_t n = ndim > 0 ? 1 : 0;
    for (int i = 0; i < ndim; ++i) n *= shape[static_cast<size_t>(i)];
    return n;
  }
  size_t bytes() const { return static_cast<size_t>(elements()) * size_of(dtype); }

  // The first n rows.
  Tensor rows(int64_t n) const {
    Tensor t = *this;
    t.shape[0] = n;
    return t;
  }

  // n columns of every row of a matrix, from `first` on.
  Tensor columns(int64_t first, int64_t n) const {
    Tensor t = *this;
    t.data = static_cast<std::byte*>(data) + static_cast<size_t>(first) * size_of(dtype);
    t.shape[1] = n;
    return t;
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

}  // namespace ember
