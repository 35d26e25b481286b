// SPDX-License-Identifier: Apache-2.0
#include "byte_level.h"

#include <array>
#include <cstddef>

namespace ember {

namespace {

// Printable bytes stand for themselves, the others lie from U+0100 on (bytes_to_unicode of the
// GPT-2 encoder).
struct Alphabet {
  std::array<int, 512> bytes;        // of a code point; -1: none
  std::array<size_t, 256> points{};  // the code point of a byte
};

Alphabet make_alphabet() {
  Alphabet made;
  made.bytes.fill(-1);
  size_t next = 256;
  for (size_t b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    made.points[b] = printable ? b : next++;
    made.bytes[made.points[b]] = static_cast<int>(b);
  }
  return made;
}

const Alphabet& alphabet() {
  static const Alphabet made = make_alphabet();
  return made;
}

}  // namespace

std::string from_byte_level(std::string_view token) {
  std::string bytes;
  for (size_t i = 0; i < token.size(); ++i) {
    const auto b = static_cast<unsigned char>(token[i]);
    size_t code = b;
    if (b >= 0x80) {
      if ((b & 0xE0) != 0xC0 || i + 1 == token.size()) return std::string(token);
      code = static_cast<size_t>((b & 0x1F) << 6 | (static_cast<unsigned char>(token[++i]) & 0x3F));
    }
    if (code >= alphabet().bytes.size() || alphabet().bytes[code] < 0) return std::string(token);
    bytes.push_back(static_cast<char>(alphabet().bytes[code]));
  }
  return bytes;
}

std::string to_byte_level(std::string_view bytes) {
  std::string token;
  for (const char c : bytes) {
    const size_t code = alphabet().points[static_cast<unsigned char>(c)];
    if (code < 0x80) {
      token.push_back(static_cast<char>(code));
    } else {
      token.push_back(static_cast<char>(0xC0 | code >> 6));
      token.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
  }
  return token;
}

}  // namespace ember
