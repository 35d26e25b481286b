// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic that sizes are computed with.
#pragma once

#include <type_traits>

namespace ember {

// n / d, rounded up; n >= 0, d > 0, and n + d fits T.
template <class T>
constexpr T ceil_div(T n, std::type_identity_t<T> d) {
  return (n + d - 1) / d;
}

// The least multiple of `multiple` that is not below n.
template <class T>
constexpr T round_up(T n, std::type_identity_t<T> multiple) {
  return ceil_div(n, multiple) * multiple;
}

}  // namespace ember
