// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/normalizer.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using Rules = TokenizerParts::SentencePieceRules;

std::string normal(const Rules& rules, std::string_view text, bool add_space = true,
                   const PrefixTable& user_defined = {}) {
  return SentencePieceNormalizer::create(rules, user_defined).value().normalize(text, add_space);
}

TEST(SentencePieceNormalizer, SpacesAreEscapedAndOneIsAdded) {
  EXPECT_EQ(normal({}, "a  b "), "▁a▁▁b▁");
  EXPECT_EQ(normal({}, "a b", false), "a▁b");
  EXPECT_EQ(normal({.escape_spaces = false}, "a b"), " a b");
  EXPECT_EQ(normal({.space_behind = true}, "a b"), "a▁b▁");
  EXPECT_EQ(normal({}, ""), "");
}

TEST(SentencePieceNormalizer, RunsOfSpacesBecomeOneAndNoneAtTheEnds) {
  EXPECT_EQ(normal({.merge_spaces = true}, "  a   b  "), "▁a▁b");
  EXPECT_EQ(normal({.merge_spaces = true}, "   "), "");
  EXPECT_EQ(normal({.merge_spaces = true, .space_behind = true}, " a "), "a▁");
}

TEST(SentencePieceNormalizer, UserDefinedTextsStayAsTheyAre) {
  const PrefixTable user_defined({{"<  >", 0}});
  EXPECT_EQ(normal({.merge_spaces = true, .escape_spaces = false}, "a <  > b", false, user_defined),
            "a <  > b");
}

TEST(SentencePieceNormalizer, ABrokenCharsmapIsRefused) {
  EXPECT_FALSE(SentencePieceNormalizer::create({.charsmap = "x"}, PrefixTable()).ok());
}

}  // namespace
}  // namespace ember
