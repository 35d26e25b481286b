// SPDX-License-Identifier: Apache-2.0
#include "ember/text/utf8.h"

namespace ember {

namespace {

// Length of the character that `lead` begins, 0 for a byte that begins none; the second byte must
// lie in [low, high].
struct Lead {
  int length;
  unsigned char low, high;
};

Lead lead_of(unsigned char b) {
  if (b < 0x80) return {1, 0, 0};
  if (b < 0xC2) return {0, 0, 0};
  if (b < 0xE0) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (b < 0xF0) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b < 0xF4) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// How many bytes at the start of `bytes` belong to one (perhaps broken or unfinished) character,
// and whether it is whole.
struct Scan {
  size_t size;
  bool whole;
  bool unfinished;  // more bytes could make it whole
};

Scan scan(std::string_view bytes) {
  const Lead lead = lead_of(static_cast<unsigned char>(bytes[0]));
  if (lead.length == 0) return {1, false, false};
  for (size_t i = 1; i < static_cast<size_t>(lead.length); ++i) {
    if (i == bytes.size()) return {i, false, true};
    const auto b = static_cast<unsigned char>(bytes[i]);
    const unsigned char low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (b < low || b > high) return {i, false, false};
  }
  return {static_cast<size_t>(lead.length), true, false};
}

}  // namespace

size_t append_utf8(std::string& out, std::string_view bytes, bool more_to_come) {
  size_t at = 0;
  while (at < bytes.size()) {
    const Scan found = scan(bytes.substr(at));
    if (found.unfinished && more_to_come) break;
    out.append(found.whole ? bytes.substr(at, found.size) : kReplacement);
    at += found.size;
  }
  return at;
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  append_utf8(out, bytes, false);
  return out;
}

bool is_valid_utf8(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const Scan found = scan(bytes.substr(at));
    if (!found.whole) return false;
    at += found.size;
  }
  return true;
}

std::string_view first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  return text.substr(0, lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4);
}

std::string_view last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

}  // namespace ember
