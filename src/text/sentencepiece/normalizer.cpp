// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/normalizer.h"

#include "ember/text/utf8.h"

namespace ember {

SentencePieceNormalizer::SentencePieceNormalizer(Charsmap charsmap,
                                                 const TokenizerParts::SentencePieceRules& rules,
                                                 const PrefixTable& user_defined)
    : charsmap_(std::move(charsmap)),
      merge_spaces_(rules.merge_spaces),
      space_behind_(rules.space_behind),
      space_(rules.escape_spaces ? kEscapedSpace : " "),
      user_defined_(&user_defined) {}

Result<SentencePieceNormalizer> SentencePieceNormalizer::create(
    const TokenizerParts::SentencePieceRules& rules, const PrefixTable& user_defined) {
  Result<Charsmap> charsmap = Charsmap::parse(rules.charsmap);
  if (!charsmap.ok()) return charsmap.error();
  return SentencePieceNormalizer(std::move(charsmap).value(), rules, user_defined);
}

Charsmap::Rule SentencePieceNormalizer::next(std::string_view text) const {
  if (const size_t length = user_defined_->longest(text).length; length > 0)
    return {length, text.substr(0, length)};
  if (const Charsmap::Rule rule = charsmap_.find(text); rule.length > 0) return rule;
  const std::string_view character = first_character(text);
  return {character.size(), character};
}

std::string SentencePieceNormalizer::normalize(std::string_view text, bool add_space) const {
  while (merge_spaces_ && !text.empty()) {
    const Charsmap::Rule first = next(text);
    if (first.becomes != " ") break;
    text.remove_prefix(first.length);
  }
  std::string normal;
  if (text.empty()) return normal;
  if (add_space && !space_behind_) normal += space_;
  bool behind_space = merge_spaces_;
  while (!text.empty()) {
    const Charsmap::Rule rule = next(text);
    std::string_view part = rule.becomes;
    while (behind_space && part.starts_with(' ')) part.remove_prefix(1);
    for (const char c : part)
      if (c == ' ')
        normal += space_;
      else
        normal += c;
    if (!part.empty()) behind_space = merge_spaces_ && part.ends_with(' ');
    text.remove_prefix(rule.length);
  }
  while (merge_spaces_ && normal.ends_with(space_)) normal.resize(normal.size() - space_.size());
  if (add_space && space_behind_) normal += space_;
  return normal;
}

}  // namespace ember
