// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/unigram.h"

#include "text/sentencepiece/small_pieces.h"

namespace ember {
namespace {

using testing::ElementsAre;
using Type = TokenizerParts::TokenType;
constexpr auto kUnigram = TokenizerParts::Kind::kSentencePieceUnigram;

std::vector<int32_t> ids(const TokenizerParts& parts, std::string_view text) {
  const SentencePieces pieces(parts);
  return test::ids_of(Unigram(pieces).segments(text));
}

TEST(Unigram, TheBestSumIsTaken) {
  TokenizerParts parts =
      test::pieces_of({"a", "b", "c", "ab", "bc"}, {-1, -1, -1, -3, -1.5F}, kUnigram);
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(0, 4));
  parts.scores[4] = -5;
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(0, 1, 2));
  parts.scores[3] = -2;
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(3, 2)) << "equal: the longest";
  EXPECT_THAT(ids(parts, ""), ElementsAre());
  EXPECT_THAT(ids(parts, "aéb"), ElementsAre(0, -1, 1));
}

TEST(Unigram, UserDefinedPiecesAreBetterThanTheirParts) {
  TokenizerParts parts = test::pieces_of({"a", "b", "ab"}, {-0.1F, -0.1F, -20}, kUnigram);
  EXPECT_THAT(ids(parts, "ab"), ElementsAre(0, 1));
  parts.types[2] = Type::kUserDefined;
  EXPECT_THAT(ids(parts, "ab"), ElementsAre(2));
}

TEST(Unigram, UnusedPiecesAreNotTaken) {
  TokenizerParts parts = test::pieces_of({"a", "b", "ab"}, {-1, -1, -1}, kUnigram);
  parts.types[2] = Type::kUnused;
  EXPECT_THAT(ids(parts, "ab"), ElementsAre(0, 1));
}

}  // namespace
}  // namespace ember
