// SPDX-License-Identifier: Apache-2.0
// White space and words at the ends of a text, as Unicode has them: \s and \w of regular
// expressions.
#pragma once

#include <cstddef>
#include <string_view>

namespace ember {

// Bytes of white space; `text` is UTF-8.
size_t white_space_at_begin(std::string_view text);
size_t white_space_at_end(std::string_view text);
// Whether the first, or the last, character is a letter, a mark, a digit or a connector.
bool begins_with_word(std::string_view text);
bool ends_with_word(std::string_view text);

}  // namespace ember
