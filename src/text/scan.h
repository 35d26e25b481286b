// SPDX-License-Identifier: Apache-2.0
// Looking for markers in text that comes in pieces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace ember::scan {

enum class Found : uint8_t { kYes, kNo, kMore };  // kMore: perhaps, the text ends too early to say

// Whether `text` begins with `wanted`.
inline Found literal(std::string_view text, std::string_view wanted) {
  if (text.starts_with(wanted)) return Found::kYes;
  return text.size() < wanted.size() && wanted.starts_with(text) ? Found::kMore : Found::kNo;
}

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The first position from `at` on that is no white space.
inline size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// `end`, or where the white space before it begins.
inline size_t trim_end(std::string_view text, size_t end) {
  while (end > 0 && is_space(text[end - 1])) --end;
  return end;
}

// The longest end of `text` that is a proper beginning of `wanted`.
inline size_t overlap(std::string_view text, std::string_view wanted) {
  for (size_t n = std::min(text.size(), wanted.size() - 1); n > 0; --n)
    if (text.substr(text.size() - n) == wanted.substr(0, n)) return n;
  return 0;
}

}  // namespace ember::scan
