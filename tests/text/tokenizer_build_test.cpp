// SPDX-License-Identifier: Apache-2.0
// Tokenizers built from parts equal those of the tokenizer.json that was taken apart.
#include <gmock/gmock.h>

#include <random>

#include "ember/text/tokenizer.h"
#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;
using testing::HasSubstr;
using Kind = TokenizerParts::Kind;
using Type = TokenizerParts::TokenType;
using Ids = std::vector<int32_t>;

// A tokenizer.json whose ids have no holes. (Not test::Json: an ordered_json searches a vocabulary
// from its beginning for every merge.)
TokenizerParts take_apart(const nlohmann::json& json) {
  TokenizerParts parts;
  const auto& vocab = json["model"]["vocab"];
  const auto& added = json["added_tokens"];
  const auto put = [&](const std::string& text, size_t id, Type type) {
    if (id >= parts.tokens.size()) parts.tokens.resize(id + 1), parts.types.resize(id + 1);
    parts.tokens[id] = text;
    parts.types[id] = type;
  };
  for (const auto& [text, id] : vocab.items()) put(text, id.get<size_t>(), Type::kNormal);
  for (const auto& token : added)
    put(token["content"], token["id"].get<size_t>(),
        token["special"].get<bool>() ? Type::kControl : Type::kUserDefined);
  for (const auto& merge : json["model"]["merges"]) {
    const std::string both = merge.is_string()
                                 ? merge.get<std::string>()
                                 : merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    const size_t space = both.find(' ', 1);
    parts.merges.push_back({vocab.at(both.substr(0, space)).get<int32_t>(),
                            vocab.at(both.substr(space + 1)).get<int32_t>()});
  }
  return parts;
}

TokenizerParts take_apart_byte_level(const std::filesystem::path& dir) {
  std::ifstream in(dir / "tokenizer.json");
  const nlohmann::json json = nlohmann::json::parse(in);
  TokenizerParts parts = take_apart(json);
  parts.split_steps = {json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]};
  parts.ignore_merges = json["model"].value("ignore_merges", false);
  parts.normalize_nfc = json["normalizer"].is_object();
  return parts;
}

std::unique_ptr<Tokenizer> built(const TokenizerParts& parts) {
  auto tokenizer = Tokenizer::build(parts);
  if (!tokenizer.ok()) throw std::runtime_error(tokenizer.error().message);
  return std::move(tokenizer).value();
}

std::string why_not(const TokenizerParts& parts) {
  const auto tokenizer = Tokenizer::build(parts);
  return tokenizer.ok() ? "" : tokenizer.error().message;
}

void expect_equal(const Tokenizer& a, const Tokenizer& b, const std::string& text) {
  for (const bool add : {false, true})
    for (const bool special : {false, true}) {
      const auto of_a = a.encode(text, {.add_special_tokens = add, .parse_special = special});
      const auto of_b = b.encode(text, {.add_special_tokens = add, .parse_special = special});
      ASSERT_TRUE(of_a.ok() && of_b.ok());
      ASSERT_EQ(of_a.value(), of_b.value()) << text;
      for (const bool skip : {false, true})
        ASSERT_EQ(a.decode(of_a.value(), skip).value(), b.decode(of_a.value(), skip).value());
    }
}

void expect_equal_vocabularies(const Tokenizer& a, const Tokenizer& b) {
  ASSERT_EQ(a.vocab_size(), b.vocab_size());
  for (int32_t id = 0; id < a.vocab_size(); ++id) {
    ASSERT_EQ(a.token_bytes(id), b.token_bytes(id)) << id;
    ASSERT_EQ(a.is_special(id), b.is_special(id)) << id;
  }
  EXPECT_EQ(a.special_tokens(), b.special_tokens());
  EXPECT_EQ(a.byte_level(), b.byte_level());
}

void expect_equal_on_random_texts(const Tokenizer& a, const Tokenizer& b) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 1000; ++i) expect_equal(a, b, test::random_text(rng, 60));
}

TEST(TokenizerBuild, ByteLevelEqualsTheDemoTokenizer) {
  TokenizerParts parts = take_apart_byte_level(test::demo_dir());
  parts.add_bos = true;
  parts.bos = test::demo().token_to_id("<|begin_of_text|>");
  parts.eos = test::demo().token_to_id("<|eot_id|>");
  const auto tokenizer = built(parts);
  expect_equal_vocabularies(test::demo(), *tokenizer);
  EXPECT_EQ(tokenizer->bos_token(), "<|begin_of_text|>");
  EXPECT_EQ(tokenizer->eos_token(), "<|eot_id|>");
  const Json reference =
      test::read_json(test::source_dir() / "tests/data/demo/tokenizer_reference.json");
  for (const auto& row : reference["strings"]) {
    const std::string text = row["text"];
    ASSERT_EQ(tokenizer->encode(text, {.add_special_tokens = false}).value(),
              row["ids"].get<Ids>());
    expect_equal(test::demo(), *tokenizer, text);
  }
  expect_equal_on_random_texts(test::demo(), *tokenizer);
}

// A real vocabulary: added tokens that are not special, and text that is normalized.
TEST(TokenizerBuild, ByteLevelEqualsTheQwenTokenizer) {
  const Tokenizer* qwen = test::qwen();
  if (qwen == nullptr) return;
  const auto tokenizer = built(take_apart_byte_level(test::qwen_dir()));
  expect_equal_vocabularies(*qwen, *tokenizer);
  const Json reference =
      test::read_json(test::source_dir() / "tests/data/qwen2_5_tokenizer_reference.json");
  for (const auto& row : reference["strings"]) {
    ASSERT_EQ(
        tokenizer->encode(row["text"].get<std::string>(), {.add_special_tokens = false}).value(),
        row["ids"].get<Ids>());
    expect_equal(*qwen, *tokenizer, row["text"]);
  }
}

// The merges of test::metaspace_json() follow from scores that fall with the ids.
TokenizerParts metaspace_parts() {
  TokenizerParts parts = take_apart(nlohmann::json::parse(test::metaspace_json()));
  parts.kind = Kind::kSentencePieceBpe;
  parts.merges.clear();
  parts.types[0] = Type::kUnknown;
  for (size_t id = 3; id < 3 + 256; ++id) parts.types[id] = Type::kByte;
  for (size_t id = 0; id < parts.tokens.size(); ++id)
    parts.scores.push_back(-static_cast<float>(id));
  parts.rules.added_space = TokenizerParts::AddedSpace::kEach;
  parts.unk = 0;
  return parts;
}

TEST(TokenizerBuild, SentencePieceEqualsItsTokenizerJson) {
  const test::ModelDir dir;
  dir.write("tokenizer.json", test::metaspace_json());
  const auto reference = test::load_tokenizer(dir.path());
  const auto tokenizer = built(metaspace_parts());
  expect_equal_vocabularies(*reference, *tokenizer);
  for (const char* text : {"", "Hello world", " Hello  worldor ll", "world</s>Hello<s> wor",
                           "or ▁w", "K\u00f6ln \U0001F642", "<0x41>", "<unk>"})
    expect_equal(*reference, *tokenizer, text);
  expect_equal_on_random_texts(*reference, *tokenizer);
}

TEST(TokenizerBuild, SentencePieceMergesTheBestScoreFirst) {
  TokenizerParts parts;
  parts.kind = Kind::kSentencePieceBpe;
  parts.tokens = {"a", "b", "c", "ab", "bc"};
  parts.scores = {0, 0, 0, -2, -1};
  const auto ids = [](const TokenizerParts& of) {
    return built(of)->encode("abc", {.add_special_tokens = false}).value();
  };
  EXPECT_EQ(ids(parts), (Ids{0, 4}));
  parts.scores = {0, 0, 0, -1, -2};
  EXPECT_EQ(ids(parts), (Ids{3, 2}));
  parts.scores.clear();
  EXPECT_EQ(ids(parts), (Ids{3, 2})) << "equal scores: the lower id";
  parts.types = {Type::kNormal, Type::kNormal, Type::kNormal, Type::kUserDefined, Type::kNormal};
  EXPECT_EQ(ids(parts), (Ids{3, 2})) << "found before anything is merged";
  parts.types[3] = Type::kUnused;
  EXPECT_EQ(ids(parts), (Ids{0, 1, 2})) << "merged, and taken apart again: as SentencePiece does";
}

TEST(TokenizerBuild, WithoutASpacePrefixNothingIsAdded) {
  TokenizerParts parts = metaspace_parts();
  parts.rules.added_space = TokenizerParts::AddedSpace::kNone;
  const auto tokenizer = built(parts);
  const Ids ids = tokenizer->encode("Hello", {.add_special_tokens = false}).value();
  EXPECT_EQ(ids[0], *tokenizer->token_to_id("H"));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(" Hello", {}).value(), false).value(), " Hello");
}

TEST(TokenizerBuild, AddsBosAndEos) {
  TokenizerParts parts = metaspace_parts();
  parts.add_bos = parts.add_eos = true;
  parts.bos = 1;
  parts.eos = 2;
  const auto tokenizer = built(parts);
  const Ids bare = tokenizer->encode("wor", {.add_special_tokens = false}).value();
  Ids around = {1};
  around.insert(around.end(), bare.begin(), bare.end());
  around.push_back(2);
  EXPECT_EQ(tokenizer->encode("wor", {}).value(), around);
  parts.add_eos = false;
  around.pop_back();
  EXPECT_EQ(built(parts)->encode("wor", {}).value(), around);
}

TEST(TokenizerBuild, EachSplitStepCutsWhatTheOneBeforeLeft) {
  TokenizerParts parts;
  parts.tokens = {"a", "1", "2", "a1", "12"};
  parts.merges = {{0, 1}, {1, 2}};
  const auto ids = [&] {
    return built(parts)->encode("a12", {.add_special_tokens = false}).value();
  };
  EXPECT_EQ(ids(), (Ids{3, 2}));
  parts.split_steps = {"\\p{N}+"};
  EXPECT_EQ(ids(), (Ids{0, 4}));
  parts.split_steps.push_back("\\p{N}");
  EXPECT_EQ(ids(), (Ids{0, 1, 2}));
}

TEST(TokenizerBuild, AddedTokensBeyondTheModelsVocabularyAreText) {
  TokenizerParts parts;
  parts.tokens = {"a", "b", "<x>", "ab", "<y>", "<z>"};
  parts.types = {Type::kNormal, Type::kNormal,  Type::kControl,
                 Type::kNormal, Type::kControl, Type::kUserDefined};
  parts.merges = {{0, 1}};
  parts.scores.resize(6);
  parts.matching[5].rstrip = true;
  for (const Kind kind : {Kind::kByteLevelBpe, Kind::kSentencePieceBpe}) {
    parts.kind = kind;
    const auto size = [&](int32_t limit) {
      return Tokenizer::build(parts, limit).value()->vocab_size();
    };
    EXPECT_EQ(size(100), 6);
    EXPECT_EQ(size(5), 5);
    EXPECT_EQ(size(2), 4) << "not the model's own";
    const auto tokenizer = Tokenizer::build(parts, 4).value();
    EXPECT_EQ(tokenizer->encode("a<x>b", {}).value(), (Ids{0, 2, 1}));
    EXPECT_EQ(tokenizer->encode("<y>", {}).value(), Ids{}) << "characters without ids";
  }
  parts.eos = 4;
  const auto ended = Tokenizer::build(parts, 4);
  ASSERT_FALSE(ended.ok());
  EXPECT_THAT(ended.error().message,
              HasSubstr("eos_token \"<y>\" has an id beyond the model's vocab_size 4"));
}

TEST(TokenizerBuild, WhiteSpaceBesideATokenIsPartOfItWhereThePartsSaySo) {
  TokenizerParts parts = metaspace_parts();
  const int32_t h =
      0 + static_cast<int32_t>(std::ranges::find(parts.tokens, "H") - parts.tokens.begin());
  for (const auto& [lstrip, rstrip] : {std::pair(false, true), {true, false}, {true, true}}) {
    parts.matching[2] = {.lstrip = lstrip, .rstrip = rstrip};
    parts.rules.added_space = TokenizerParts::AddedSpace::kNone;
    const auto tokenizer = built(parts);
    const auto ids = [&](std::string_view text) {
      return tokenizer->encode(text, {.add_special_tokens = false}).value();
    };
    EXPECT_EQ(ids("H\n</s>\u3000H").size(), 3u + (lstrip ? 0 : 1) + (rstrip ? 0 : 3));
    EXPECT_EQ(ids("H</s>H"), (Ids{h, 2, h}));
    const Tokenizer::SpecialText expected{"</s>", lstrip, rstrip};
    EXPECT_EQ(tokenizer->special_tokens()[2], expected);
  }
}

TEST(TokenizerBuild, WhatDoesNotFitTogetherIsRefused) {
  TokenizerParts good;
  good.tokens = {"a", "b", "ab"};
  good.merges = {{0, 1}};
  ASSERT_EQ(why_not(good), "");
  const auto why = [&](auto change) {
    TokenizerParts parts = good;
    change(parts);
    return why_not(parts);
  };
  EXPECT_THAT(why([](auto& p) { p.tokens.clear(), p.merges.clear(); }),
              HasSubstr("0 tokens, must be 1 to"));
  EXPECT_THAT(why([](auto& p) { p.types = {Type::kNormal}; }),
              HasSubstr("1 token types for 3 tokens"));
  EXPECT_THAT(why([](auto& p) { p.scores = {0, 0}; }), HasSubstr("2 scores for 3 tokens"));
  EXPECT_THAT(why([](auto& p) { p.tokens[1] = "a"; }),
              HasSubstr("token 1 has the text of another one: \"a\""));
  EXPECT_THAT(why([](auto& p) { p.tokens[1] = "\xFF"; }), HasSubstr("text 1 is not UTF-8"));
  EXPECT_THAT(why([](auto& p) { p.merges = {{0, 3}}; }),
              HasSubstr("id 3 is outside the vocabulary of 3 tokens"));
  EXPECT_THAT(why([](auto& p) { p.merges = {{1, 0}}; }), HasSubstr("out of vocabulary"));
  EXPECT_THAT(why([](auto& p) { p.split_steps = {"("}; }), HasSubstr("tokenizer: "));
  EXPECT_THAT(why([](auto& p) { p.add_bos = true; }), HasSubstr("add_bos without a bos token"));
  EXPECT_THAT(why([](auto& p) { p.eos = 3; }), HasSubstr("eos 3 must be 0 to 2"));
  EXPECT_THAT(why([](auto& p) { p.unk = -1; }), HasSubstr("unk -1 must be 0 to 2"));
  EXPECT_THAT(why([](auto& p) { p.matching[3] = {}; }),
              HasSubstr("matched token 3 must be 0 to 2"));
}

}  // namespace
}  // namespace ember
