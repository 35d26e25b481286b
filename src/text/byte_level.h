// SPDX-License-Identifier: Apache-2.0
// GPT-2's alphabet, which writes each byte as one printable character.
#pragma once

#include <string>
#include <string_view>

namespace ember {

// The bytes of a token; the token itself where a character is not of the alphabet.
std::string from_byte_level(std::string_view token);
std::string to_byte_level(std::string_view bytes);

}  // namespace ember
