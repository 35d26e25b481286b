// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/pieces.h"

#include "text/sentencepiece/small_pieces.h"

namespace ember {
namespace {

using Type = TokenizerParts::TokenType;

TEST(SentencePieces, TextBecomesPiecesAndNothingElse) {
  TokenizerParts parts =
      test::pieces_of({"<unk>", "<s>", "a", "b", "<0x0A>", "a", ""}, {0, 0, -1, 0, 0, -5, 0},
                      TokenizerParts::Kind::kSentencePieceUnigram);
  parts.types = {Type::kUnknown, Type::kControl, Type::kNormal, Type::kUserDefined,
                 Type::kByte,    Type::kUnused,  Type::kUnused};
  const SentencePieces pieces(parts);
  EXPECT_EQ(pieces.size(), 7u);
  EXPECT_EQ(pieces.piece("<s>"), SentencePieces::kNone);
  EXPECT_EQ(pieces.piece("a"), 2) << "not the unused one";
  EXPECT_EQ(pieces.piece("b"), 3);
  EXPECT_EQ(pieces.piece("<0x0A>"), SentencePieces::kNone);
  EXPECT_EQ(pieces.token_id("<s>"), 1);
  EXPECT_EQ(pieces.token_id("x"), SentencePieces::kNone);
  EXPECT_EQ(pieces.user_defined().longest("ba").value, 3);
  EXPECT_EQ(pieces.pieces().longest("ab").value, 2);
  EXPECT_EQ(pieces.score(2), -1);
  EXPECT_EQ(pieces.type(4), Type::kByte);
}

}  // namespace
}  // namespace ember
