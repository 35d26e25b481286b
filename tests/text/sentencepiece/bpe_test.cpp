// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/bpe.h"

#include "text/sentencepiece/small_pieces.h"

namespace ember {
namespace {

using testing::ElementsAre;
using Type = TokenizerParts::TokenType;
constexpr auto kBpe = TokenizerParts::Kind::kSentencePieceBpe;

std::vector<int32_t> ids(const TokenizerParts& parts, std::string_view text) {
  const SentencePieces pieces(parts);
  return test::ids_of(bpe_segments(pieces, text));
}

TEST(SentencePieceBpe, TheBestScoreIsMergedFirst) {
  TokenizerParts parts = test::pieces_of({"a", "b", "c", "ab", "bc"}, {0, 0, 0, -2, -1}, kBpe);
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(0, 4));
  parts.scores = {0, 0, 0, -1, -2};
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(3, 2));
  EXPECT_THAT(ids(parts, ""), ElementsAre());
  EXPECT_THAT(ids(parts, "axé"), ElementsAre(0, -1, -1));
}

// Merges by rank could not: one piece, made in two ways.
TEST(SentencePieceBpe, OfEqualScoresTheLeftmostIsMerged) {
  const TokenizerParts parts = test::pieces_of({"a", "aa", "aaa", "b"}, {0, -1, -2, 0}, kBpe);
  EXPECT_THAT(ids(parts, "aaaaa"), ElementsAre(1, 2));
  EXPECT_THAT(ids(parts, "aaab"), ElementsAre(2, 3));
}

TEST(SentencePieceBpe, UserDefinedPiecesAreFoundFirstAndNeverMerged) {
  TokenizerParts parts = test::pieces_of({"a", "b", "ab", "bab"}, {0, 0, 0, 0}, kBpe);
  parts.types[2] = Type::kUserDefined;
  EXPECT_THAT(ids(parts, "bab"), ElementsAre(1, 2));
}

TEST(SentencePieceBpe, AnUnusedPieceIsTakenApart) {
  TokenizerParts parts = test::pieces_of({"a", "b", "c", "ab", "abc"}, {0, 0, 0, -1, -2}, kBpe);
  parts.types[4] = Type::kUnused;
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(3, 2));
  parts.types[3] = Type::kUnused;
  EXPECT_THAT(ids(parts, "abc"), ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace ember
