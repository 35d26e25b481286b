// SPDX-License-Identifier: Apache-2.0
#include "special_marks.h"

#include <algorithm>
#include <utility>

#include "ember/text/utf8.h"
#include "words.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

bool contains(const Json& value, const std::string& text) {
  if (value.is_string()) return value.get_ref<const std::string&>().find(text) != std::string::npos;
  if (value.is_object())
    for (const auto& [key, item] : value.items())
      if (key.find(text) != std::string::npos) return true;
  return value.is_structured() && std::any_of(value.begin(), value.end(), [&](const Json& item) {
           return contains(item, text);
         });
}

// U+FDD0 to U+FDEF mean nothing in any text; one of them is not used in this one.
std::string unused_character(const Json& input) {
  std::string mark = "\xEF\xB7\x90";
  while (contains(input, mark) && mark[2] != '\xAF') ++mark[2];
  return mark;
}

void erase_all(std::string& text, const std::string& what) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at))
    text.erase(at, what.size());
}

}  // namespace

SpecialMarks::SpecialMarks(const std::vector<Tokenizer::SpecialText>& special_tokens,
                           const Json& input)
    : mark_(unused_character(input)) {
  for (const Tokenizer::SpecialText& token : special_tokens)
    if (!token.text.empty())
      by_first_byte_[static_cast<unsigned char>(token.text[0])].push_back(&token);
}

const Tokenizer::SpecialText* SpecialMarks::special_at(std::string_view text) const {
  const Tokenizer::SpecialText* longest = nullptr;
  for (const Tokenizer::SpecialText* token : by_first_byte_[static_cast<unsigned char>(text[0])])
    if (text.starts_with(token->text) &&
        (longest == nullptr || token->text.size() > longest->text.size()))
      longest = token;
  return longest;
}

bool SpecialMarks::is_part_of_word(std::string_view rendered, size_t at, size_t size) const {
  std::string_view before = rendered.substr(0, at);
  while (before.ends_with(mark_)) before.remove_suffix(mark_.size());
  return ends_with_word(before) || begins_with_word(rendered.substr(at + size));
}

// A mark inside a text keeps it from being found; one of a single character has it behind.
bool SpecialMarks::is_marked(std::string_view rendered, size_t at, std::string_view special) const {
  return first_character(special).size() == special.size() &&
         rendered.substr(at + special.size()).starts_with(mark_);
}

std::string SpecialMarks::mark_text(std::string_view text) const {
  std::string marked;
  marked.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at), first = first_character(rest);
    marked.append(first);
    if (special_at(rest) != nullptr) marked.append(mark_);
    at += first.size();
  }
  return marked;
}

Json SpecialMarks::mark(const Json& value) const {
  if (value.is_string()) return mark_text(value.get_ref<const std::string&>());
  if (!value.is_structured()) return value;
  Json copy = value.is_object() ? Json::object() : Json::array();
  if (value.is_array())
    for (const Json& item : value) copy.push_back(mark(item));
  else
    for (const auto& [key, item] : value.items())
      copy.get_ref<Json::object_t&>().emplace_back(mark_text(key), mark(item));
  return copy;
}

std::vector<SpecialMarks::Piece> SpecialMarks::split(const std::string& rendered) const {
  if (rendered.find(mark_) == std::string::npos) return {{rendered, false}};
  std::vector<Piece> pieces;
  std::string segment;
  bool joined = false;  // it holds a special token's text that is part of a word
  const auto end_segment = [&] {
    const bool plain = segment.find(mark_) != std::string::npos || joined;
    joined = false;
    erase_all(segment, mark_);
    if (!segment.empty()) pieces.push_back({std::exchange(segment, {}), plain});
  };
  for (size_t at = 0; at < rendered.size();) {
    const Tokenizer::SpecialText* special = special_at(std::string_view(rendered).substr(at));
    if (special == nullptr || is_marked(rendered, at, special->text)) {
      segment.push_back(rendered[at++]);
      continue;
    }
    std::string text = special->text;
    if (special->single_word && is_part_of_word(rendered, at, text.size())) {
      segment += text;
      at += text.size();
      joined = true;
      continue;
    }
    at += text.size();
    if (special->lstrip) {
      const size_t kept = segment.size() - white_space_at_end(segment);
      text.insert(0, segment, kept);
      segment.resize(kept);
    }
    if (special->rstrip) {
      const size_t right = white_space_at_begin(std::string_view(rendered).substr(at));
      text.append(rendered, at, right);
      at += right;
    }
    end_segment();
    pieces.push_back({std::move(text), false});
  }
  end_segment();
  return pieces;
}

}  // namespace ember
