// SPDX-License-Identifier: Apache-2.0
// SentencePiece models, written field by field.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace ember::test {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  return bytes + static_cast<char>(value);
}
inline std::string number_field(uint64_t field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
inline std::string bytes_field(uint64_t field, std::string_view bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}
inline std::string float_field(uint64_t field, float value) {
  std::string bytes = varint(field << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(bits >> shift));
  return bytes;
}

inline std::string piece(std::string_view text, float score = 0, int type = 1) {
  return bytes_field(1, bytes_field(1, text) + float_field(2, score) +
                            number_field(3, static_cast<uint64_t>(type)));
}
// <unk>, <s>, </s>, then the pieces of `text`, one a word, with falling scores.
inline std::string small_model(std::string_view words, int model_type = 2,
                               const std::string& normalizer = {}) {
  std::string model = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3);
  float score = 0;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    model += piece(words.substr(0, end), score);
    score -= 1;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return model + bytes_field(2, number_field(3, static_cast<uint64_t>(model_type))) +
         bytes_field(3, normalizer);
}

}  // namespace ember::test
