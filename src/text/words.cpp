// SPDX-License-Identifier: Apache-2.0
#include "words.h"

#include <ember_hf.h>

#include "ember/text/utf8.h"

namespace ember {

namespace {

uint32_t code_point(std::string_view character) {
  uint32_t point = static_cast<unsigned char>(character[0]);
  if (character.size() > 1) point &= 0xFFu >> (character.size() + 1);
  for (const char c : character.substr(1))
    point = point << 6 | (static_cast<unsigned char>(c) & 0x3F);
  return point;
}

}  // namespace

size_t white_space_at_begin(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view first = first_character(rest);
    if (!ember_text_is_white_space(code_point(first))) break;
    rest.remove_prefix(first.size());
  }
  return text.size() - rest.size();
}

size_t white_space_at_end(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view last = last_character(rest);
    if (!ember_text_is_white_space(code_point(last))) break;
    rest.remove_suffix(last.size());
  }
  return text.size() - rest.size();
}

bool begins_with_word(std::string_view text) {
  return !text.empty() && ember_text_is_word(code_point(first_character(text)));
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && ember_text_is_word(code_point(last_character(text)));
}

}  // namespace ember
