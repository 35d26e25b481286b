// SPDX-License-Identifier: Apache-2.0
#include "ember/text/sentencepiece_model.h"

#include <gmock/gmock.h>

#include "text/fixtures.h"
#include "text/sentencepiece_writer.h"

namespace ember {
namespace {

using test::bytes_field;
using test::float_field;
using test::number_field;
using test::piece;
using testing::ElementsAre;
using testing::HasSubstr;
using AddedSpace = TokenizerParts::AddedSpace;
using Type = TokenizerParts::TokenType;

TEST(SentencePieceModel, FieldsBecomeParts) {
  const std::string trainer = number_field(3, 2) + number_field(24, 1) + number_field(41, 2) +
                              number_field(42, 1) + number_field(40, 0);
  const std::string normalizer = bytes_field(1, "name") + bytes_field(2, "map") +
                                 number_field(3, 0) + number_field(4, 0) + number_field(5, 0);
  const std::string file = piece("<unk>", 0, 2) + piece("</s>", 0, 3) + piece("<s>", 0, 3) +
                           piece("\u2581a", -1.5F) + piece("b", 0, 4) + bytes_field(2, trainer) +
                           bytes_field(3, normalizer) + bytes_field(5, "denormalizer") +
                           number_field(200, 7) + float_field(201, 1);
  const TokenizerParts parts = parse_sentencepiece(file).value();
  EXPECT_EQ(parts.kind, TokenizerParts::Kind::kSentencePieceBpe);
  EXPECT_THAT(parts.tokens, ElementsAre("<unk>", "</s>", "<s>", "\u2581a", "b"));
  EXPECT_THAT(parts.scores, ElementsAre(0, 0, 0, -1.5F, 0));
  EXPECT_THAT(parts.types, ElementsAre(Type::kUnknown, Type::kControl, Type::kControl,
                                       Type::kNormal, Type::kUserDefined));
  EXPECT_EQ(parts.unk, 0);
  EXPECT_EQ(parts.bos, 2);
  EXPECT_EQ(parts.eos, 1);
  EXPECT_EQ(parts.rules.charsmap, "map");
  EXPECT_EQ(parts.rules.added_space, AddedSpace::kNone);
  EXPECT_FALSE(parts.rules.merge_spaces);
  EXPECT_FALSE(parts.rules.escape_spaces);
  EXPECT_TRUE(parts.rules.space_behind);
}

TEST(SentencePieceModel, DefaultsAreTheLibrarys) {
  const TokenizerParts parts =
      parse_sentencepiece(bytes_field(1, bytes_field(1, "a")) + piece("<unk>", 0, 2)).value();
  EXPECT_EQ(parts.kind, TokenizerParts::Kind::kSentencePieceUnigram);
  EXPECT_THAT(parts.types, ElementsAre(Type::kNormal, Type::kUnknown));
  EXPECT_EQ(parts.rules.added_space, AddedSpace::kEach);
  EXPECT_TRUE(parts.rules.merge_spaces);
  EXPECT_TRUE(parts.rules.escape_spaces);
  EXPECT_FALSE(parts.rules.space_behind);
  EXPECT_FALSE(parts.bos.has_value()) << "1 is no control piece";
  EXPECT_FALSE(parts.eos.has_value());
  const uint64_t none = static_cast<uint64_t>(int64_t{-1});
  EXPECT_FALSE(parse_sentencepiece(test::small_model("a") + bytes_field(2, number_field(41, none)))
                   .value()
                   .bos.has_value());
}

TEST(SentencePieceModel, WhatIsWrongIsNamed) {
  const auto why = [](const std::string& file) {
    const auto parts = parse_sentencepiece(file);
    return parts.ok() ? "accepted" : parts.error().message;
  };
  const std::string unk = piece("<unk>", 0, 2);
  EXPECT_THAT(why(""), HasSubstr("SentencePiece model: no pieces"));
  EXPECT_THAT(why("\x0A\x05"),
              HasSubstr("byte 2: 5 bytes are wanted where 0 are left in the model"));
  EXPECT_THAT(why(std::string("\x0A") + std::string(11, '\xFF')), HasSubstr("more than 10 bytes"));
  EXPECT_THAT(why("\x0A"), HasSubstr("1 bytes are wanted where 0 are left"));
  EXPECT_THAT(why("\x0B"), HasSubstr("wire type 3"));
  EXPECT_THAT(why(std::string(2, '\0')), HasSubstr("field number 0"));
  EXPECT_THAT(why(number_field(1, 1)), HasSubstr("field 1 has wire type 0, expected 2"));
  EXPECT_THAT(why(bytes_field(1, number_field(1, 5))), HasSubstr("in a piece"));
  EXPECT_THAT(why(bytes_field(1, bytes_field(1, "a") + number_field(2, 5))),
              HasSubstr("field 2 has wire type 0, expected 5"));
  EXPECT_THAT(why(bytes_field(1, "")), HasSubstr("piece 0 has 0 bytes, must be 1 to 7999"));
  EXPECT_THAT(why(unk + piece(std::string(8000, 'a'))), HasSubstr("piece 1 has 8000 bytes"));
  EXPECT_THAT(why(piece("\xFF")), HasSubstr("piece 0 is not UTF-8"));
  EXPECT_THAT(why(piece("a", 0, 7)), HasSubstr("piece 0 has type 7, must be 1 to 6"));
  EXPECT_THAT(why(piece("a", NAN)), HasSubstr("piece 0 has the score nan"));
  EXPECT_THAT(why(piece("a")), HasSubstr("0 pieces of type 2 (unknown), expected one"));
  EXPECT_THAT(why(unk + piece("u", 0, 2)), HasSubstr("2 pieces of type 2"));
  EXPECT_THAT(why(unk + bytes_field(2, number_field(3, 3))),
              HasSubstr("model_type 3, expected 1 (unigram) or 2 (BPE)"));
  EXPECT_THAT(why(unk + piece("<0x0A>", 0, 6)), HasSubstr("1 pieces of type 6 (byte)"));
  EXPECT_THAT(why(unk + bytes_field(2, number_field(35, 1))),
              HasSubstr("byte_fallback is true, expected 256"));
}

// Whatever a cut or a changed byte makes of a file, it ends in parts or in an error.
TEST(SentencePieceModel, BrokenFilesEndInAnError) {
  std::ifstream in(test::source_dir() / "tests/data/sentencepiece/unigram_plain.model",
                   std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  ASSERT_TRUE(parse_sentencepiece(file).ok());
  for (size_t size = 0; size < file.size(); ++size)
    static_cast<void>(parse_sentencepiece(file.substr(0, size)));
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string changed = file;
    for (uint64_t n = 1 + rng() % 4; n > 0; --n)
      changed[rng() % changed.size()] = static_cast<char>(rng());
    const auto parts = parse_sentencepiece(changed);
    if (!parts.ok()) continue;
    EXPECT_EQ(parts.value().tokens.size(), parts.value().types.size());
    EXPECT_EQ(parts.value().tokens.size(), parts.value().scores.size());
  }
}

}  // namespace
}  // namespace ember
