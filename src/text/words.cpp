// SPDX-License-Identifier: Apache-2.0
#include "words.h"

#include <ember_hf.h>

namespace ember {

namespace {

struct Character {
  uint32_t point;
  size_t size;  // in bytes; 0: there is none
};

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

Character decode(std::string_view bytes) {
  uint32_t point = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() > 1) point &= 0xFFu >> (bytes.size() + 1);
  for (const char c : bytes.substr(1)) point = point << 6 | (static_cast<unsigned char>(c) & 0x3F);
  return {point, bytes.size()};
}

Character first(std::string_view text) {
  if (text.empty()) return {};
  size_t size = 1;
  while (size < text.size() && continues(text[size])) ++size;
  return decode(text.substr(0, size));
}

Character last(std::string_view text) {
  if (text.empty()) return {};
  size_t begin = text.size() - 1;
  while (begin > 0 && continues(text[begin])) --begin;
  return decode(text.substr(begin));
}

bool is_white_space(uint32_t point) {
  return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 || point == 0xA0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
         point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

}  // namespace

size_t white_space_at_begin(std::string_view text) {
  size_t size = 0;
  for (Character c = first(text); c.size > 0 && is_white_space(c.point);
       c = first(text.substr(size)))
    size += c.size;
  return size;
}

size_t white_space_at_end(std::string_view text) {
  size_t size = 0;
  for (Character c = last(text); c.size > 0 && is_white_space(c.point);
       c = last(text.substr(0, text.size() - size)))
    size += c.size;
  return size;
}

bool begins_with_word(std::string_view text) {
  const Character c = first(text);
  return c.size > 0 && ember_text_is_word(c.point);
}

bool ends_with_word(std::string_view text) {
  const Character c = last(text);
  return c.size > 0 && ember_text_is_word(c.point);
}

}  // namespace ember
