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
  size_t end = std::string_view::npos;  // the position behind the last bracket, once it is known

  // Reads on from `scanned`; the end, or npos.
  size_t find_end(std::string_view text) {
    while (end == std::string_view::npos && scanned < text.size()) {
      const char c = text[scanned++];
      if (in_string) {
        if (!escaped && c == '"') in_string = false;
        escaped = !escaped && c == '\\';
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        end = scanned;
      }
    }
    return end;
  }
};

}  // namespace ember
