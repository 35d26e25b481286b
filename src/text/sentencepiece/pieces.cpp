// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/pieces.h"

namespace ember {

SentencePieces::SentencePieces(const TokenizerParts& parts)
    : tokens_(parts.tokens), types_(parts.types), scores_(parts.scores) {
  types_.resize(tokens_.size(), Type::kNormal);
  scores_.resize(tokens_.size(), 0);
  std::vector<PrefixTable::Entry> user_defined, all;
  pieces_.reserve(tokens_.size());
  const auto add = [&](size_t index) {
    const auto id = static_cast<int32_t>(index);
    const std::string& text = tokens_[index];
    if (text.empty()) return;
    const Type type = types_[index];
    const bool is_piece =
        type == Type::kNormal || type == Type::kUserDefined || type == Type::kUnused;
    if (!(is_piece ? pieces_ : others_).emplace(text, id).second) return;
    if (type == Type::kUserDefined) user_defined.push_back({text, id});
    if (is_piece && parts.kind == TokenizerParts::Kind::kSentencePieceUnigram)
      all.push_back({text, id});
  };
  for (size_t id = 0; id < tokens_.size(); ++id)
    if (types_[id] != Type::kUnused) add(id);
  for (size_t id = 0; id < tokens_.size(); ++id)
    if (types_[id] == Type::kUnused) add(id);
  user_defined_ = PrefixTable(std::move(user_defined));
  by_prefix_ = PrefixTable(std::move(all));
}

int32_t SentencePieces::piece(std::string_view text) const {
  const auto found = pieces_.find(text);
  return found == pieces_.end() ? kNone : found->second;
}

int32_t SentencePieces::token_id(std::string_view text) const {
  const auto found = others_.find(text);
  return found == others_.end() ? piece(text) : found->second;
}

}  // namespace ember
