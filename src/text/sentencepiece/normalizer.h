// SPDX-License-Identifier: Apache-2.0
// What SentencePiece makes of a text before it cuts it.
#pragma once

#include <string>
#include <string_view>

#include "ember/text/tokenizer_parts.h"
#include "prefix_table.h"
#include "sentencepiece/charsmap.h"

namespace ember {

inline constexpr std::string_view kEscapedSpace = "\xE2\x96\x81";  // U+2581

class SentencePieceNormalizer {
 public:
  // user_defined: texts that stay as they are; must outlive the result. The error says what is
  // wrong with the charsmap.
  static Result<SentencePieceNormalizer> create(const TokenizerParts::SentencePieceRules& rules,
                                                const PrefixTable& user_defined);

  // `text` is UTF-8. add_space: one is added to a text that is not empty.
  std::string normalize(std::string_view text, bool add_space) const;

 private:
  SentencePieceNormalizer(Charsmap charsmap, const TokenizerParts::SentencePieceRules& rules,
                          const PrefixTable& user_defined);
  // What the text begins with and what that becomes.
  Charsmap::Rule next(std::string_view text) const;

  Charsmap charsmap_;
  bool merge_spaces_, space_behind_;
  std::string_view space_;  // what one becomes
  const PrefixTable* user_defined_;
};

}  // namespace ember
