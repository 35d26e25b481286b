// SPDX-License-Identifier: Apache-2.0
// Directories without a tokenizer.json.
#include "tokenizer_files.h"

#include <gmock/gmock.h>

#include "ember/text/chat_template.h"
#include "text/fixtures.h"
#include "text/sentencepiece_writer.h"

namespace ember {
namespace {

using test::ModelDir;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

const std::string kSpace = "\u2581";

// <unk> 0, <s> 1, </s> 2, then ▁ 3, a 4, b 5, ab 6.
std::string small_model() { return test::small_model(kSpace + " a b ab"); }

std::string ranks() {
  std::ifstream in(test::source_dir() / "tests/data/sentencepiece/ranks.tiktoken");
  return {std::istreambuf_iterator<char>(in), {}};
}

Ids ids(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {}).value();
}

std::string why_refused(const ModelDir& dir) {
  const auto loaded = Tokenizer::load(dir.path());
  return loaded.ok() ? "accepted" : loaded.error().message;
}

TEST(TokenizerFiles, ADirectoryWithASentencePieceModelOnlyIsALlamas) {
  const ModelDir dir;
  dir.write("tokenizer.model", small_model());
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "ab"), (Ids{1, 3, 6}));
  EXPECT_EQ(ids(*tokenizer, "a</s>b"), (Ids{1, 3, 4, 2, 3, 5}));
  EXPECT_EQ(tokenizer->bos_token(), "<s>");
  EXPECT_EQ(tokenizer->eos_token(), "</s>");
  EXPECT_FALSE(tokenizer->byte_level());
  EXPECT_EQ(tokenizer->chat_template(), "");
}

TEST(TokenizerFiles, ATokenizerJsonIsTakenFirst) {
  const ModelDir dir;
  dir.write("tokenizer.model", "broken");
  EXPECT_EQ(Tokenizer::file_of(dir.path()).filename(), "tokenizer.model");
  dir.write("tokenizer.json", test::metaspace_json());
  EXPECT_EQ(Tokenizer::file_of(dir.path()).filename(), "tokenizer.json");
  EXPECT_TRUE(Tokenizer::load(dir.path()).ok());
}

TEST(TokenizerFiles, AFileMayBeNamedItself) {
  const ModelDir dir;
  dir.write("other.model", small_model());
  dir.write("tokenizer_config.json", R"({"add_bos_token": false})");
  const auto tokenizer = Tokenizer::load(dir.path() / "other.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_EQ(ids(*tokenizer.value(), "ab"), (Ids{3, 6}));
  EXPECT_TRUE(Tokenizer::load(test::demo_dir() / "tokenizer.json").ok());
}

TEST(TokenizerFiles, TheConfigSaysWhatIsAdded) {
  const ModelDir dir;
  dir.write("spiece.model", small_model());
  const auto with = [&](const std::string& config) {
    dir.write("tokenizer_config.json", config);
    return test::load_tokenizer(dir.path());
  };
  EXPECT_EQ(ids(*with(R"({"add_bos_token": false, "add_eos_token": true})"), "a"), (Ids{3, 4, 2}));
  EXPECT_EQ(ids(*with(R"({"bos_token": "b", "tokenizer_class": "LlamaTokenizerFast"})"), "a"),
            (Ids{5, 3, 4}));
  EXPECT_EQ(ids(*with(R"({"legacy": false})"), "a<s>a"), (Ids{1, 3, 4, 1, 4}));
  EXPECT_EQ(ids(*with(R"({"add_prefix_space": false})"), "a"), (Ids{1, 4}));
  EXPECT_EQ(ids(*with(R"({"legacy": null, "add_eos_token": null})"), "a"), (Ids{1, 3, 4}));
  EXPECT_EQ(ids(*with(R"({"tokenizer_class": "T5Tokenizer"})"), "a<extra_id_99>"),
            (Ids{3, 4, 7, 2}));
  EXPECT_EQ(ids(*with(R"({"auto_map": {"AutoTokenizer": ["x.InternLMTokenizer", null]}})"), "a"),
            (Ids{1, 3, 4}));
}

TEST(TokenizerFiles, AddedTokensStandBehindThePieces) {
  const ModelDir dir;
  dir.write("tokenizer.model", small_model());
  dir.write("added_tokens.json", R"({"<x>": 8, "<y>": 7})");
  auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "<x><y>b"), (Ids{1, 8, 7, 3, 5}));
  EXPECT_FALSE(tokenizer->is_special(8));
  dir.write("special_tokens_map.json",
            R"({"pad_token": {"content": "<x>"}, "additional_special_tokens": ["<y>", "absent"]})");
  tokenizer = test::load_tokenizer(dir.path());
  EXPECT_TRUE(tokenizer->is_special(7) && tokenizer->is_special(8));
  EXPECT_EQ(tokenizer->named_tokens().at("pad_token"), "<x>");
  dir.write("tokenizer_config.json", R"({"added_tokens_decoder":
            {"1": {"content": "<s>", "special": true}, "9": {"content": "<z>", "special": true},
             "10": {"content": "a"}}})");
  tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "<z>ab"), (Ids{1, 9, 10, 3, 5}));
  EXPECT_EQ(ids(*tokenizer, "<x>"), (Ids{1, 3, 0})) << "text, which no piece spells";
  EXPECT_EQ(tokenizer->token_to_id("<x>"), std::nullopt) << "the list replaces the other file";
  EXPECT_EQ(tokenizer->token_to_id("<z>"), 9);
  EXPECT_TRUE(tokenizer->is_special(9));
  EXPECT_EQ(tokenizer->token_to_id("a"), 10) << "an added token comes before a piece";
  EXPECT_EQ(tokenizer->vocab_size(), 11);
  EXPECT_EQ(tokenizer->token_bytes(8), "") << "a hole";
}

// As transformers: what special_tokens_map.json says comes first where the config lists no tokens,
// and is not read where it does.
TEST(TokenizerFiles, TheMapComesBeforeAConfigThatListsNoTokens) {
  const ModelDir dir;
  dir.write("tokenizer.model", small_model());
  dir.write("tokenizer_config.json", R"({"bos_token": "a", "pad_token": "b"})");
  dir.write("special_tokens_map.json", R"({"bos_token": "ab", "eos_token": "b"})");
  const auto older = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*older, ""), Ids{6});
  EXPECT_EQ(older->bos_token(), "ab");
  EXPECT_EQ(older->eos_token(), "b");
  dir.write("tokenizer_config.json", R"({"bos_token": "a", "added_tokens_decoder": {}})");
  const auto newer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*newer, ""), Ids{4});
  EXPECT_EQ(newer->bos_token(), "a");
  EXPECT_EQ(newer->eos_token(), "</s>");
}

TEST(TokenizerFiles, ListedTokensAreLookedForAsTheListSays) {
  const ModelDir dir;
  dir.write("tokenizer.model", test::small_model(kSpace + " a b ab", 2, test::number_field(4, 0)));
  dir.write("tokenizer_config.json", R"({"add_bos_token": false, "legacy": false,
            "added_tokens_decoder": {
              "2": {"content": "</s>", "rstrip": true, "special": false},
              "7": {"content": "<x>", "lstrip": true, "special": true},
              "8": {"content": "who", "single_word": true}}})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "a</s> \nb"), (Ids{3, 4, 2, 5}));
  EXPECT_EQ(ids(*tokenizer, "a \n<x> b"), (Ids{3, 4, 7, 3, 5}));
  EXPECT_EQ(ids(*tokenizer, "a who"), (Ids{3, 4, 3, 8}));
  EXPECT_EQ(ids(*tokenizer, "awho"), (Ids{3, 4, 0}));
  EXPECT_FALSE(tokenizer->is_special(2)) << "the list says so";
  EXPECT_TRUE(tokenizer->is_special(7));
}

// A model's own reserved tokens get the names that the list gives them.
TEST(TokenizerFiles, WhatTheModelHasGetsTheTextOfTheList) {
  const ModelDir dir;
  dir.write("tokenizer.model",
            test::piece("<unk>", 0, 2) + test::piece("<s>", 0, 3) + test::piece("</s>", 0, 3) +
                test::piece("<r0>", 0, 3) + test::piece("<r1>", 0, 4) + test::piece("<r2>", 0, 5) +
                test::piece("<r3>", 0, 5) + test::piece(kSpace) + test::piece("a") +
                test::bytes_field(2, test::number_field(3, 2)));
  dir.write("tokenizer_config.json", R"({"add_bos_token": false, "bos_token": "<begin>",
            "added_tokens_decoder": {
              "0": {"content": "<none>", "special": true},
              "1": {"content": "<begin>", "special": true},
              "3": {"content": "<|im_start|>", "special": true},
              "4": {"content": "<|tool|>", "special": false},
              "5": {"content": "<r2>", "special": false}}})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "<begin><|im_start|><|tool|><r2></s>"), (Ids{1, 3, 4, 5, 2}));
  EXPECT_EQ(tokenizer->decode(Ids{3, 4, 5}, true).value(), "<|tool|><r2>");
  EXPECT_EQ(tokenizer->token_bytes(5), "<r2>");
  EXPECT_EQ(tokenizer->token_bytes(6), "") << "unused, and not listed";
  for (const char* text : {"<s>", "<r0>", "<r1>", "<r3>"})
    EXPECT_EQ(ids(*tokenizer, text), (Ids{7, 0})) << text;
  EXPECT_EQ(tokenizer->bos_token(), "<begin>");
  EXPECT_EQ(tokenizer->named_tokens().at("unk_token"), "<none>");
  EXPECT_TRUE(tokenizer->is_special(0));
}

TEST(TokenizerFiles, ListedTokensBeyondTheModelsVocabularyAreText) {
  const ModelDir dir;
  dir.write("tokenizer.model", small_model());
  dir.write("tokenizer_config.json", R"({"add_bos_token": false, "added_tokens_decoder": {
            "7": {"content": "<x>", "special": true}, "9": {"content": "a<y>", "special": true}}})");
  const auto tokenizer = Tokenizer::load(dir.path(), 8);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_EQ(tokenizer.value()->vocab_size(), 8);
  EXPECT_EQ(ids(*tokenizer.value(), "<x>a<y>"), (Ids{7, 3, 4, 0}));
  EXPECT_EQ(Tokenizer::load(dir.path(), 5).value()->vocab_size(), 7)
      << "the pieces are the model's";
}

// Gemma lists its user-defined pieces: they must be found in the normalized text as before.
TEST(TokenizerFiles, AListedPieceStaysAPiece) {
  const ModelDir dir;
  dir.write("tokenizer.model", test::small_model(kSpace + " a b ab ba " + kSpace + kSpace) +
                                   test::piece(kSpace + kSpace + kSpace, 0, 4) +
                                   test::bytes_field(3, test::number_field(4, 0)));
  dir.write("tokenizer_config.json", R"({"add_bos_token": false, "added_tokens_decoder":
            {"6": {"content": "ab"}, "9": {"content": "\u2581\u2581\u2581"}}})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "  b"), (Ids{9, 5}));
  EXPECT_EQ(ids(*tokenizer, "bab"), (Ids{3, 5, 6})) << "found before \"ba\" is merged";
  EXPECT_FALSE(tokenizer->is_special(6));
}

TEST(TokenizerFiles, ChatGlm3HasItsTokensPrefixAndTemplate) {
  const ModelDir dir;
  dir.write("tokenizer.model", small_model());
  dir.write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLMTokenizer",
            "added_tokens_decoder": {"10": {"content": "sop", "special": true}}})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  // [MASK] 7, [gMASK] 8, [sMASK] 9, <sop> 10, <eop> 11, system, user, assistant, observation 15.
  EXPECT_EQ(ids(*tokenizer, "a"), (Ids{8, 10, 3, 4}));
  EXPECT_EQ(tokenizer->encode("[gMASK]sop<|user|>a", {.add_special_tokens = false}).value(),
            (Ids{8, 10, 13, 3, 4}));
  EXPECT_EQ(tokenizer->encode("sop", {.add_special_tokens = false}).value(), (Ids{3, 0}))
      << "a word of the text";
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(13, 15));
  EXPECT_EQ(tokenizer->vocab_size(), 16);
  const auto chat = ChatTemplate::load(dir.path(), *tokenizer, {});
  ASSERT_TRUE(chat.ok() && chat.value() != nullptr);
  ChatInput input;
  input.messages = nlohmann::ordered_json::parse(
      R"([{"role": "system", "content": "a"}, {"role": "user", "content": "b [gMASK]sop"}])");
  const ChatPrompt prompt = chat.value()->render(input).value();
  EXPECT_EQ(prompt.text, "[gMASK]sop<|system|>\n a<|user|>\n b [gMASK]sop<|assistant|>");
  EXPECT_THAT(Ids(prompt.ids.begin(), prompt.ids.begin() + 3), ElementsAre(8, 10, 12));
  EXPECT_EQ(std::count(prompt.ids.begin(), prompt.ids.end(), 8), 1) << "the message's is text";
  dir.write("chat_template.jinja", "mine");
  EXPECT_EQ(ChatTemplate::load(dir.path(), *tokenizer, {}).value()->render(input).value().text,
            "mine");
}

TEST(TokenizerFiles, Glm4IsATiktokenFile) {
  const ModelDir dir;
  dir.write("tokenizer.model", ranks());
  dir.write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLM4Tokenizer"})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_TRUE(tokenizer->byte_level());
  const Ids prefix = {702, 704};
  EXPECT_EQ(ids(*tokenizer, ""), prefix);
  EXPECT_EQ(tokenizer->encode("[gMASK]<sop><|user|>\n", {.add_special_tokens = false}).value(),
            (Ids{702, 704, 707, '\n'}));
  EXPECT_EQ(tokenizer->eos_token(), "<|endoftext|>");
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(707, 709));
  dir.write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLM4Tokenizer",
            "added_tokens_decoder": {"700": {"content": "<|endoftext|>", "special": true},
                                     "710": {"content": "<|more|>", "special": true}}})");
  EXPECT_EQ(test::load_tokenizer(dir.path())->token_to_id("<|more|>"), 710);
}

TEST(TokenizerFiles, QwensRanksAreItsOwnFile) {
  const ModelDir dir;
  dir.write("qwen.tiktoken", ranks());
  dir.write("tokenizer_config.json", R"({"tokenizer_class": "QWenTokenizer"})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(ids(*tokenizer, "<|im_start|><|extra_0|>"), (Ids{701, 703}));
  EXPECT_EQ(ids(*tokenizer, "e\u0301"), ids(*tokenizer, "\u00e9")) << "NFC";
  EXPECT_EQ(tokenizer->vocab_size(), 700 + 208);
}

TEST(TokenizerFiles, WhatIsWrongIsNamed) {
  struct Case {
    const char* name;
    std::map<std::string, std::string> files;
    const char *file, *says;
  };
  const std::string glm4 = R"({"tokenizer_class": "ChatGLM4Tokenizer"})";
  for (const Case& c : std::vector<Case>{
           {"nothing", {}, "tokenizer.json", "does not exist"},
           {"two", {{"a.tiktoken", ""}, {"b.tiktoken", ""}}, "tokenizer.json", "does not exist"},
           {"empty",
            {{"tokenizer.model", ""}, {"tokenizer_config.json", glm4}},
            "tokenizer.model",
            "no token for the byte"},
           {"no ranks", {{"tokenizer.model", "text"}}, "tokenizer.model", "line 1"},
           {"cut",
            {{"tokenizer.model", small_model().substr(0, 20)}},
            "tokenizer.model",
            "bytes are wanted"},
           {"git-lfs",
            {{"tokenizer.model", "version https://git-lfs.github.com/spec/v1\n"}},
            "tokenizer.model",
            "line 1"},
           {"two alike",
            {{"tokenizer.model", test::small_model("a a")}},
            "tokenizer.model",
            "text of another one"},
           {"class",
            {{"tokenizer.model", small_model()},
             {"tokenizer_config.json", R"({"tokenizer_class": "OddTokenizer"})"}},
            "tokenizer_config.json",
            "LlamaTokenizer"},
           {"class of a tiktoken file",
            {{"tokenizer.model", ranks()}},
            "tokenizer_config.json",
            "expected one of ChatGLM4Tokenizer, QWenTokenizer (there is no tokenizer.json), found "
            "nothing"},
           {"class of the other kind",
            {{"tokenizer.model", small_model()}, {"tokenizer_config.json", glm4}},
            "tokenizer_config.json",
            "found \"ChatGLM4Tokenizer\""},
           {"config",
            {{"tokenizer.model", small_model()}, {"tokenizer_config.json", "[]"}},
            "tokenizer_config.json",
            "must hold a JSON object"},
           {"no boolean",
            {{"tokenizer.model", small_model()},
             {"tokenizer_config.json", R"({"add_bos_token": "yes"})"}},
            "tokenizer_config.json",
            "add_bos_token: expected true or false, found \"yes\""},
           {"legacy",
            {{"tokenizer.model", small_model()}, {"tokenizer_config.json", R"({"legacy": 1})"}},
            "tokenizer_config.json",
            "legacy: expected true or false, found 1"},
           {"list",
            {{"tokenizer.model", small_model()},
             {"tokenizer_config.json", R"({"added_tokens_decoder": []})"}},
            "tokenizer_config.json",
            "added_tokens_decoder: expected an object"},
           {"listed id",
            {{"tokenizer.model", small_model()},
             {"tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})"}},
            "tokenizer_config.json",
            "added_tokens_decoder.-1: expected an id and a token"},
           {"huge id",
            {{"tokenizer.model", small_model()},
             {"tokenizer_config.json",
              R"({"added_tokens_decoder": {"9999999": {"content": "x"}}})"}},
            "tokenizer_config.json",
            "expected an id and a token"},
           {"no content",
            {{"tokenizer.model", small_model()},
             {"tokenizer_config.json", R"({"added_tokens_decoder": {"9": {}}})"}},
            "tokenizer_config.json",
            "added_tokens_decoder.9"},
           {"added",
            {{"tokenizer.model", small_model()}, {"added_tokens.json", R"({"x": -1})"}},
            "added_tokens.json",
            "x: expected an id, found -1"},
           {"map",
            {{"tokenizer.model", small_model()}, {"special_tokens_map.json", "{"}},
            "special_tokens_map.json",
            "not JSON"}}) {
    const ModelDir dir;
    for (const auto& [name, text] : c.files) dir.write(name, text);
    EXPECT_THAT(why_refused(dir), AllOf(HasSubstr(c.file), HasSubstr(c.says))) << c.name;
  }
}

}  // namespace
}  // namespace ember
