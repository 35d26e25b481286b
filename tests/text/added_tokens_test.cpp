// SPDX-License-Identifier: Apache-2.0
#include "added_tokens.h"

#include <gmock/gmock.h>

#include "text/fixtures.h"

namespace ember {
namespace {

using test::ModelDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

AddedTokens read(const ModelDir& dir) {
  const auto config = SideFile::read(dir.path() / "tokenizer_config.json");
  auto tokens = read_added_tokens(dir.path(), config.value());
  if (!tokens.ok()) throw std::runtime_error(tokens.error().message);
  return std::move(tokens).value();
}

std::vector<std::string> special_texts(const AddedTokens& tokens) {
  std::vector<std::string> texts;
  for (const AddedToken& token : tokens.special) texts.push_back(token.text);
  return texts;
}

TEST(AddedTokens, NothingIsThereWithoutFiles) {
  const AddedTokens tokens = read(ModelDir());
  EXPECT_TRUE(tokens.named.empty() && tokens.listed.empty() && tokens.special.empty());
  EXPECT_FALSE(tokens.listed_by_config);
}

TEST(AddedTokens, AnEntryHasTransformersDefaults) {
  EXPECT_EQ(read_added_token("<x>").text, "<x>");
  EXPECT_EQ(read_added_token(nlohmann::json::object()).text, "");
  EXPECT_EQ(read_added_token(5).text, "");
  const AddedToken plain = read_added_token({{"content", "<x>"}});
  EXPECT_FALSE(plain.special || plain.matching.lstrip || plain.matching.rstrip ||
               plain.matching.single_word);
  EXPECT_TRUE(plain.matching.normalized);
  EXPECT_FALSE(read_added_token({{"content", "<x>"}, {"special", true}}).matching.normalized);
  const AddedToken all = read_added_token({{"content", "<x>"},
                                           {"lstrip", true},
                                           {"rstrip", true},
                                           {"single_word", true},
                                           {"normalized", false}});
  EXPECT_TRUE(all.matching.lstrip && all.matching.rstrip && all.matching.single_word);
  EXPECT_FALSE(all.matching.normalized);
  EXPECT_TRUE(read_added_token("<x>", true).special);
  const AddedToken special = read_added_token({{"content", "<x>"}, {"special", false}}, true);
  EXPECT_TRUE(special.special && !special.matching.normalized);
  EXPECT_TRUE(
      read_added_token({{"content", "<x>"}, {"normalized", true}}, true).matching.normalized);
}

// As transformers, whichever file says that it is special.
TEST(AddedTokens, ASpecialTokenIsNotNormalizedWhereItsEntryDoesNotSaySo) {
  const ModelDir dir;
  dir.write(
      "special_tokens_map.json",
      R"({"bos_token": {"content": "<a>"}, "eos_token": {"content": "<b>", "normalized": true},
                "additional_special_tokens": [{"content": "<c>"}]})");
  std::map<std::string, bool> normalized;
  for (const AddedToken& token : read(dir).special)
    normalized[token.text] = token.matching.normalized;
  EXPECT_THAT(normalized, ElementsAre(Pair("<a>", false), Pair("<b>", true), Pair("<c>", false)));
  dir.write("tokenizer_config.json", R"({"bos_token": "<a>", "added_tokens_decoder":
            {"1": {"content": "<a>"}, "2": {"content": "<b>"}}})");
  const AddedTokens tokens = read(dir);
  EXPECT_TRUE(tokens.listed.at(1).special && !tokens.listed.at(1).matching.normalized);
  EXPECT_TRUE(!tokens.listed.at(2).special && tokens.listed.at(2).matching.normalized);
}

// As transformers: the map is read only where the config lists no tokens, and then it comes first.
TEST(AddedTokens, TheMapComesBeforeAConfigThatListsNone) {
  const ModelDir dir;
  dir.write("tokenizer_config.json", R"({"bos_token": "<a>", "eos_token": "<b>",
            "pad_token": {"content": "<c>"}, "additional_special_tokens": ["<e>"]})");
  dir.write("special_tokens_map.json", R"({"eos_token": {"content": "<m>", "lstrip": true},
            "pad_token": null, "additional_special_tokens": ["<f>", "<e>"]})");
  dir.write("added_tokens.json", R"({"<m>": 7, "<x>": 8})");
  const AddedTokens older = read(dir);
  EXPECT_THAT(older.named, ElementsAre(Pair("bos_token", "<a>"), Pair("eos_token", "<m>")));
  EXPECT_THAT(special_texts(older), ElementsAre("<a>", "<m>", "<e>", "<f>"));
  EXPECT_TRUE(older.special[1].matching.lstrip && older.special[1].special);
  EXPECT_TRUE(older.listed.at(7).special && !older.listed.at(7).matching.normalized);
  EXPECT_TRUE(!older.listed.at(8).special && older.listed.at(8).matching.normalized);
  dir.write("tokenizer_config.json", R"({"eos_token": "<b>", "added_tokens_decoder":
            {"9": {"content": "<x>", "rstrip": true}}})");
  const AddedTokens newer = read(dir);
  EXPECT_TRUE(newer.listed_by_config);
  EXPECT_THAT(newer.named, ElementsAre(Pair("eos_token", "<b>")));
  ASSERT_EQ(newer.listed.size(), 1u);
  EXPECT_TRUE(newer.listed.at(9).matching.rstrip);
}

TEST(AddedTokens, NamesOfAModelsOwnStandBehindTheUsualOnes) {
  const ModelDir dir;
  dir.write("tokenizer_config.json",
            R"({"added_tokens_decoder": {}, "image_token": "<image>", "pad_token": "<pad>",
                "add_bos_token": true, "unk_token": null, "bos_token": "<bos>",
                "extra_special_tokens": {"boi_token": "<boi>"}})");
  const AddedTokens tokens = read(dir);
  EXPECT_THAT(special_texts(tokens), ElementsAre("<bos>", "<pad>", "<boi>", "<image>"));
  EXPECT_EQ(tokens.named.at("boi_token"), "<boi>");
  EXPECT_TRUE(tokens.is_special("<image>"));
  EXPECT_FALSE(tokens.is_special("<none>"));
}

TEST(AddedTokens, WhatIsWrongIsNamed) {
  const auto why = [](const char* name, const char* text) {
    const ModelDir dir;
    dir.write(name, text);
    const auto config = SideFile::read(dir.path() / "tokenizer_config.json");
    if (!config.ok()) return config.error().message;
    const auto tokens = read_added_tokens(dir.path(), config.value());
    return tokens.ok() ? "accepted" : tokens.error().message;
  };
  EXPECT_THAT(why("tokenizer_config.json", "[]"), HasSubstr("must hold a JSON object"));
  EXPECT_THAT(why("tokenizer_config.json", R"({"added_tokens_decoder": 1})"),
              HasSubstr("added_tokens_decoder: expected an object, found 1"));
  EXPECT_THAT(why("tokenizer_config.json", R"({"added_tokens_decoder": {"4194304": "x"}})"),
              HasSubstr("added_tokens_decoder.4194304"));
  EXPECT_THAT(why("special_tokens_map.json", "1"), HasSubstr("special_tokens_map.json"));
  EXPECT_THAT(why("added_tokens.json", R"({"x": 4194304})"), HasSubstr("x: expected an id"));
}

}  // namespace
}  // namespace ember
