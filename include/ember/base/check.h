// SPDX-License-Identifier: Apache-2.0
// CHECK: a condition that only a bug of ours can break. Always on; prints and aborts.
#pragma once

#include <fmt/format.h>

#include <string>

namespace ember {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

}  // namespace ember

// CHECK(a <= b) or CHECK(a <= b, "block {} of {}", a, b).
#define CHECK(condition, ...)                                                               \
  do {                                                                                      \
    if (!(condition)) [[unlikely]]                                                          \
      ::ember::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)
