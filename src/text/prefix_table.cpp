// SPDX-License-Identifier: Apache-2.0
#include "prefix_table.h"

namespace ember {

PrefixTable::PrefixTable(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::ranges::sort(entries_, {}, &Entry::text);
  size_t at = 0;
  for (size_t first = 0; first < begins_.size(); ++first) {
    while (at < entries_.size() && byte(entries_[at].text[0]) < first) ++at;
    begins_[first] = static_cast<int32_t>(at);
  }
}

PrefixTable::Match PrefixTable::longest(std::string_view text) const {
  Match match;
  each(text, [&](size_t length, int32_t value) { match = {length, value}; });
  return match;
}

}  // namespace ember
