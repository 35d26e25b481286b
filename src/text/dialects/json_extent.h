// SPDX-License-Identifier: Apache-2.0
// Where a JSON object or array ends, without checking it.
#pragma once

#include <cstddef>
#include <string_view>

namespace ember {

struct JsonExtent {
  int depth = 0;
  bool in_string = false, escaped = false;
  size_t scanned = 0;

  // Reads on from `scanned`; the position behind the last bracket, or npos.
  size_t find_end(std::string_view text) {
    while (scanned < text.size())
      if (step(text[scanned++])) return scanned;
    return std::string_view::npos;
  }

  // Whether `at`, which no earlier call was beyond, is inside a string.
  bool is_in_string(std::string_view text, size_t at) {
    while (scanned < at) step(text[scanned++]);
    return in_string;
  }

 private:
  // True for the last bracket.
  bool step(char c) {
    if (in_string) {
      if (!escaped && c == '"') in_string = false;
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      return --depth == 0;
    }
    return false;
  }
};

}  // namespace ember
