// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/charsmap.h"

#include <fmt/format.h>

namespace ember {

namespace {

// A unit of the array: the label of the byte that leads to it, whether a rule ends there, and where
// its children lie. A leaf, which holds a rule's number, has the highest bit set and so no label.
uint32_t label(uint32_t unit) { return unit & 0x800000FF; }
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
size_t offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & 1 << 9) >> 6); }
size_t value(uint32_t unit) { return unit & 0x7FFFFFFF; }

uint32_t little_endian(std::string_view bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i)
    number |= uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return number;
}

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob) {
  Charsmap map;
  if (blob.empty()) return map;
  const size_t size = blob.size() < 4 ? blob.size() : little_endian(blob);
  if (blob.size() < 4 || size == 0 || size % 4 != 0 || size > blob.size() - 4)
    return invalid("",
                   fmt::format("a charsmap of {} bytes with an array of {}", blob.size(), size));
  for (size_t at = 4; at < 4 + size; at += 4) map.units_.push_back(little_endian(blob.substr(at)));
  map.texts_ = blob.substr(4 + size);
  if (!map.texts_.ends_with('\0')) return invalid("", "a charsmap whose last text has no end");
  return map;
}

Charsmap::Rule Charsmap::find(std::string_view text) const {
  Rule rule;
  if (units_.empty()) return rule;
  size_t node = offset(units_[0]);
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_leaf(unit) || node >= units_.size()) continue;
    if (const size_t begin = value(units_[node]); begin < texts_.size())
      rule = {at + 1, std::string_view(texts_.c_str() + begin)};
  }
  return rule;
}

}  // namespace ember
