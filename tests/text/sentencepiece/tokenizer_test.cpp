// SPDX-License-Identifier: Apache-2.0
// Ids equal those of the sentencepiece library (scripts/make_sentencepiece_reference.py), and what
// transformers adds to it.
#include "sentencepiece/tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "ember/text/sentencepiece_model.h"
#include "text/fixtures.h"
#include "text/sentencepiece_writer.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using AddedSpace = TokenizerParts::AddedSpace;
using Type = TokenizerParts::TokenType;
using Ids = std::vector<int32_t>;

TokenizerParts read_model(const std::string& name) {
  std::ifstream in(test::source_dir() / "tests/data/sentencepiece" / (name + ".model"),
                   std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  auto parts = parse_sentencepiece(file);
  if (!parts.ok()) throw std::runtime_error(parts.error().message);
  return std::move(parts).value();
}

std::unique_ptr<const TokenizerModel> made(const TokenizerParts& parts) {
  auto tokenizer = make_sentencepiece_tokenizer(parts);
  if (!tokenizer.ok()) throw std::runtime_error(tokenizer.error().message);
  return std::move(tokenizer).value();
}

TEST(SentencePieceTokenizer, GivesTheIdsOfTheLibrary) {
  const auto reference =
      test::read_json(test::source_dir() / "tests/data/sentencepiece/reference.json");
  ASSERT_EQ(reference["models"].size(), 7u);
  for (const auto& [name, of_model] : reference["models"].items()) {
    const TokenizerParts parts = read_model(name);
    EXPECT_EQ(parts.bos.value_or(-1), of_model["bos"].get<int32_t>()) << name;
    EXPECT_EQ(parts.eos.value_or(-1), of_model["eos"].get<int32_t>()) << name;
    EXPECT_EQ(parts.unk, of_model["unk"].get<int32_t>()) << name;
    const auto tokenizer = made(parts);
    for (size_t i = 0; i < reference["texts"].size(); ++i) {
      const std::string text = reference["texts"][i];
      EXPECT_EQ(
          tokenizer->encode(text, {.add_special_tokens = false, .parse_special = false}).value(),
          of_model["ids"][i].get<Ids>())
          << name << ": " << text;
    }
  }
}

TEST(SentencePieceTokenizer, WithBytesEveryTextComesBack) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (const char* name : {"bpe_llama", "bpe_gemma"}) {
    const auto tokenizer = made(read_model(name));
    for (int i = 0; i < 300; ++i) {
      std::string text = test::random_text(rng, 40);
      const auto ids = tokenizer->encode(text, {.parse_special = false}).value();
      EXPECT_EQ(tokenizer->decode(ids, false).value(), text);
    }
  }
}

// <unk> <s> </s>, then one character each.
TokenizerParts letters() {
  TokenizerParts parts = parse_sentencepiece(test::small_model("▁ a b x")).value();
  parts.rules.merge_spaces = false;
  return parts;
}

Ids ids(const TokenizerParts& parts, std::string_view text, bool special = true) {
  return made(parts)->encode(text, {.add_special_tokens = false, .parse_special = special}).value();
}

TEST(SentencePieceTokenizer, SpecialTokensCutAText) {
  TokenizerParts parts = letters();
  EXPECT_THAT(ids(parts, "a<s>b"), ElementsAre(3, 4, 1, 3, 5)) << "a space before each stretch";
  EXPECT_THAT(ids(parts, "<s></s>"), ElementsAre(1, 2));
  parts.rules.added_space = AddedSpace::kFirst;
  EXPECT_THAT(ids(parts, "a<s>b"), ElementsAre(3, 4, 1, 5));
  EXPECT_THAT(ids(parts, "<s>b"), ElementsAre(1, 5)) << "nothing stands before the token";
  parts.rules.added_space = AddedSpace::kNone;
  EXPECT_THAT(ids(parts, "a<s>b"), ElementsAre(4, 1, 5));
  EXPECT_THAT(ids(parts, "a<s>b", false), ElementsAre(4, 0, 5)) << "unknown characters are one";
}

TEST(SentencePieceTokenizer, AddedTokensCutATextAlsoWherePlain) {
  TokenizerParts parts = letters();
  parts.types[6] = Type::kAdded;
  EXPECT_THAT(ids(parts, "axb", false), ElementsAre(3, 4, 6, 3, 5));
  const auto tokenizer = made(parts);
  EXPECT_THAT(tokenizer->special_ids(), ElementsAre(0, 1, 2));
  EXPECT_EQ(tokenizer->decode(Ids{3, 4, 1, 6}, true).value(), "ax");
}

TEST(SentencePieceTokenizer, WhiteSpaceAndWordsBesideATokenAreAsTheLibraryHasThem) {
  TokenizerParts parts = letters();
  parts.rules.added_space = AddedSpace::kNone;
  parts.matching[1] = {.rstrip = true};
  parts.matching[2] = {.lstrip = true};
  EXPECT_THAT(ids(parts, "a<s> \n\u2003 b"), ElementsAre(4, 1, 5));
  EXPECT_THAT(ids(parts, "a<s> \n"), ElementsAre(4, 1));
  EXPECT_THAT(ids(parts, "a \t</s> b"), ElementsAre(4, 2, 3, 5));
  EXPECT_THAT(ids(parts, "<s>  </s>"), ElementsAre(1, 2)) << "both want the same";
  EXPECT_THAT(ids(parts, "a <s>b"), ElementsAre(4, 3, 1, 5));
  parts.matching[2] = {.single_word = true};
  EXPECT_THAT(ids(parts, "a</s>"), ElementsAre(4, 0));
  EXPECT_THAT(ids(parts, "</s>b"), ElementsAre(0, 5));
  EXPECT_THAT(ids(parts, "a </s> b</s>"), ElementsAre(4, 3, 2, 3, 5, 0));
}

TEST(SentencePieceTokenizer, APieceMayCutATextAndStayAPiece) {
  TokenizerParts parts = parse_sentencepiece(test::small_model("▁ a b ab ▁a")).value();
  parts.rules.merge_spaces = false;
  EXPECT_THAT(ids(parts, "bab"), ElementsAre(3, 5, 6));
  parts.matching[7] = {};  // "▁a"
  EXPECT_THAT(ids(parts, "b a"), ElementsAre(3, 5, 7)) << "merged as before";
  EXPECT_THAT(ids(parts, "b▁ab"), ElementsAre(3, 5, 7, 3, 5));
  EXPECT_EQ(made(parts)->token_bytes(7), " a");
}

TEST(SentencePieceTokenizer, ATextBehindAnotherOneHasNoFirstSpace) {
  TokenizerParts parts = letters();
  const auto behind = [&] {
    return made(parts)->encode("a<s>b", {.add_special_tokens = false, .behind = true}).value();
  };
  EXPECT_THAT(behind(), ElementsAre(3, 4, 1, 3, 5)) << "each stretch has one";
  parts.rules.added_space = AddedSpace::kFirst;
  EXPECT_THAT(behind(), ElementsAre(4, 1, 5));
}

TEST(SentencePieceTokenizer, BytesOfATokenAreWhatItDecodesTo) {
  TokenizerParts parts = letters();
  parts.tokens[6] = "▁x▁";
  EXPECT_EQ(made(parts)->token_bytes(6), " x ");
  EXPECT_EQ(made(parts)->decode(Ids{4, 6}, false).value(), "a x ");
  parts.rules.escape_spaces = false;
  EXPECT_EQ(made(parts)->token_bytes(6), "▁x▁");
  EXPECT_EQ(made(parts)->decode(Ids{4, 6}, false).value(), "a▁x▁");
}

TEST(SentencePieceTokenizer, AnAliasBecomesItsIds) {
  TokenizerParts parts = letters();
  parts.aliases = {{"<s>a", {2, 1}}};
  EXPECT_THAT(ids(parts, "<s>ab"), ElementsAre(2, 1, 3, 5));
  EXPECT_THAT(ids(parts, "<s>b"), ElementsAre(1, 3, 5));
}

TEST(SentencePieceTokenizer, BosAndPrefixStandBeforeATextAndEosBehind) {
  TokenizerParts parts = letters();
  parts.add_bos = parts.add_eos = true;
  parts.prefix_ids = {4};
  EXPECT_THAT(made(parts)->encode("", {}).value(), ElementsAre(1, 4, 2));
}

TEST(SentencePieceTokenizer, DecodingIsHuggingFaces) {
  const auto llama = made(read_model("bpe_llama"));
  const auto byte = [&](int value) {
    return *llama->token_to_id(fmt::format("<0x{:02X}>", value));
  };
  const int32_t space = *llama->token_to_id("▁");
  EXPECT_EQ(llama->decode(Ids{space, byte(0xC3), byte(0xA9), space}, false).value(), "é ");
  EXPECT_EQ(llama->decode(Ids{byte(0xC3), byte('a')}, false).value(), "\uFFFD\uFFFD");
  EXPECT_EQ(llama->decode(Ids{1, space, space}, false).value(), "<s>  ");
  EXPECT_EQ(llama->decode(Ids{1, space, space}, true).value(), " ");
  EXPECT_EQ(made(read_model("bpe_gemma"))->decode(Ids{space}, false).value().size(), 1u)
      << "nothing was added";
}

TEST(SentencePieceTokenizer, UnusedTokensAreNone) {
  TokenizerParts parts = letters();
  parts.types[6] = Type::kUnused;
  const auto tokenizer = made(parts);
  EXPECT_EQ(tokenizer->token_bytes(6), "");
  EXPECT_EQ(tokenizer->token_to_id("x"), std::nullopt);
  EXPECT_EQ(tokenizer->vocab_size(), 7u);
  EXPECT_EQ(tokenizer->token_bytes(7), "");
}

TEST(SentencePieceTokenizer, WhatDoesNotFitTogetherIsRefused) {
  const auto why = [](auto change) {
    TokenizerParts parts = letters();
    change(parts);
    const auto tokenizer = make_sentencepiece_tokenizer(parts);
    return tokenizer.ok() ? "accepted" : tokenizer.error().message;
  };
  EXPECT_THAT(why([](auto& p) { p.tokens[5] = "a"; }),
              HasSubstr("token 5 has the text of another one: \"a\""));
  EXPECT_THAT(why([](auto& p) { p.tokens[5] = "\xFF"; }), HasSubstr("token 5 is not UTF-8"));
  for (const char* text : {"b", "<0x1>", "<0xAG>", "<0xAB", "x0x12>", "<0x123>"})
    EXPECT_THAT(why([&](auto& p) { p.types[5] = Type::kByte, p.tokens[5] = text; }),
                HasSubstr("token 5 must be a byte as <0x0A> is"));
  EXPECT_THAT(why([](auto& p) { p.rules.charsmap = "x"; }), HasSubstr("charsmap"));
}

}  // namespace
}  // namespace ember
