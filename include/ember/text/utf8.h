// SPDX-License-Identifier: Apache-2.0
// UTF-8: characters, and telling whole ones from broken ones.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ember {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Appends the characters of `bytes` to `out`, one U+FFFD for each maximal broken part (as Unicode
// recommends, and as Rust's from_utf8_lossy does). With `more_to_come` a beginning of a character
// at the end is left; returns how many bytes were read.
size_t append_utf8(std::string& out, std::string_view bytes, bool more_to_come);

// `bytes` with every broken part replaced.
std::string to_valid_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);

// The bytes of the character that `text`, which is valid and not empty, begins or ends with.
std::string_view first_character(std::string_view text);
std::string_view last_character(std::string_view text);

}  // namespace ember
