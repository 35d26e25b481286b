// SPDX-License-Identifier: Apache-2.0
// Texts that are looked for where another one begins.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ember {

class PrefixTable {
 public:
  struct Entry {
    std::string_view text;  // not empty, no two alike; what it shows must outlive the table
    int32_t value;
  };
  PrefixTable() : PrefixTable(std::vector<Entry>()) {}
  explicit PrefixTable(std::vector<Entry> entries);

  // Calls found(length, value) for every entry that `text` begins with, the shortest first.
  template <class Found>
  void each(std::string_view text, Found&& found) const {
    if (text.empty()) return;
    const size_t first = byte(text[0]);
    auto begin = entries_.begin() + begins_[first], end = entries_.begin() + begins_[first + 1];
    for (size_t depth = 1; begin != end; ++depth) {
      // All entries left begin with the first `depth` bytes; the one that is no longer comes first.
      if (begin->text.size() == depth) {
        found(depth, begin->value);
        ++begin;
      }
      if (depth == text.size()) return;
      const size_t next = byte(text[depth]);
      begin = std::partition_point(begin, end,
                                   [&](const Entry& e) { return byte(e.text[depth]) < next; });
      end = std::partition_point(begin, end,
                                 [&](const Entry& e) { return byte(e.text[depth]) == next; });
    }
  }

  // The longest entry that `text` begins with; of length 0: there is none.
  struct Match {
    size_t length = 0;
    int32_t value = 0;
  };
  Match longest(std::string_view text) const;

 private:
  static size_t byte(char c) { return static_cast<unsigned char>(c); }

  std::vector<Entry> entries_;       // sorted
  std::array<int32_t, 257> begins_;  // the first entry whose first byte is this or a higher one
};

}  // namespace ember
