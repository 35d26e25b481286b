// SPDX-License-Identifier: Apache-2.0
// A SentencePiece vocabulary as its algorithms look at it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ember/text/tokenizer_parts.h"
#include "prefix_table.h"

namespace ember {

// Immutable; `tokens` must not move.
class SentencePieces {
 public:
  using Type = TokenizerParts::TokenType;

  explicit SentencePieces(const TokenizerParts& parts);
  SentencePieces(const SentencePieces&) = delete;
  SentencePieces& operator=(const SentencePieces&) = delete;

  static constexpr int32_t kNone = -1;

  size_t size() const { return tokens_.size(); }
  const std::string& token(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }
  Type type(int32_t id) const { return types_[static_cast<size_t>(id)]; }
  float score(int32_t id) const { return scores_[static_cast<size_t>(id)]; }

  // The piece that text may become: a normal, user-defined or unused one; kNone: there is none.
  int32_t piece(std::string_view text) const;
  // Any token; of an unused and another one of the same text the other.
  int32_t token_id(std::string_view text) const;
  // What may be cut out of a normalized text before it is merged.
  const PrefixTable& user_defined() const { return user_defined_; }
  // All that text may become.
  const PrefixTable& pieces() const { return by_prefix_; }

 private:
  const std::vector<std::string> tokens_;
  std::vector<Type> types_;
  std::vector<float> scores_;
  std::unordered_map<std::string_view, int32_t> pieces_, others_;
  PrefixTable user_defined_, by_prefix_;
};

// A stretch of normalized text; id kNone: no piece spells it.
struct Segment {
  std::string_view text;
  int32_t id;
};

}  // namespace ember
