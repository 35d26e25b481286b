// SPDX-License-Identifier: Apache-2.0
// Keeps the text of special tokens inside messages from becoming special tokens.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ember/text/tokenizer.h"

namespace ember {

// Before a template is rendered, a mark that occurs nowhere else (a Unicode noncharacter) is put
// behind the first character of each special token's text in the messages and tools. In the
// rendered text, what carries a mark came from there.
class SpecialMarks {
 public:
  SpecialMarks(const std::vector<Tokenizer::SpecialText>& special_tokens,
               const nlohmann::ordered_json& input);

  // A copy with marks in all its strings, keys included. `value` is a part of the constructor's
  // `input`.
  nlohmann::ordered_json mark(const nlohmann::ordered_json& value) const;

  struct Piece {
    std::string text;    // without marks
    bool plain = false;  // holds the text of a special token that must stay text
  };
  // One piece that is not plain when there is no mark; otherwise cut at the template's own special
  // tokens, which keep the white space that is part of them.
  std::vector<Piece> split(const std::string& rendered) const;

 private:
  // The longest special token that `text` begins with, or null.
  const Tokenizer::SpecialText* special_at(std::string_view text) const;
  // Whether the special text at `at`, a single character, is a message's.
  bool is_marked(std::string_view rendered, size_t at, std::string_view special) const;
  // Whether a letter, a mark, a digit or a connector stands beside the text at `at`.
  bool is_part_of_word(std::string_view rendered, size_t at, size_t size) const;
  std::string mark_text(std::string_view text) const;

  std::vector<const Tokenizer::SpecialText*> by_first_byte_[256];
  std::string mark_;
};

}  // namespace ember
