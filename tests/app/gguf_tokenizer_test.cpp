// SPDX-License-Identifier: Apache-2.0
#include "gguf_tokenizer.h"

#include <gmock/gmock.h>

#include <functional>

#include "app/gguf_demo.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

using test::GgufWriter;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Type = TokenizerParts::TokenType;

class GgufTokenizer : public testing::Test {
 protected:
  const GgufMetadata& of(const GgufWriter& writer) {
    write_file(dir_ / "a.gguf", writer.bytes());
    file_ = std::make_unique<GgufFile>(dir_ / "a.gguf");
    metadata_ = std::make_unique<GgufMetadata>(*file_);
    return *metadata_;
  }
  std::string why_refused(const GgufWriter& writer) {
    try {
      gguf_tokenizer_parts(of(writer));
    } catch (const StartError& e) {
      EXPECT_EQ(e.code(), ExitCode::kBadModel);
      return e.what();
    }
    return "accepted";
  }

  const TempDir dir_;
  std::unique_ptr<GgufFile> file_;
  std::unique_ptr<GgufMetadata> metadata_;
};

GgufWriter gpt2(const std::vector<std::string>& tokens, const std::vector<std::string>& merges,
                const std::string& pre = "gpt-2") {
  GgufWriter file;
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
  return file.texts("tokenizer.ggml.tokens", tokens).texts("tokenizer.ggml.merges", merges);
}

GgufWriter llama(const std::vector<std::string>& tokens) {
  GgufWriter file;
  return file.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", tokens);
}

TEST_F(GgufTokenizer, ByteLevelPartsAreTheArraysOfTheFile) {
  GgufWriter file = gpt2({"a", " ", "a ", "<s>", "\u0120"}, {"a  "}, "llama-bpe");
  file.numbers<int32_t>("tokenizer.ggml.token_type", GgufValueType::kI32, {1, 1, 1, 3, 4});
  file.u32("tokenizer.ggml.bos_token_id", 3).u32("tokenizer.ggml.eos_token_id", 3);
  const TokenizerParts parts = gguf_tokenizer_parts(of(file));
  EXPECT_EQ(parts.kind, TokenizerParts::Kind::kByteLevelBpe);
  EXPECT_THAT(parts.tokens, ElementsAre("a", " ", "a ", "<s>", "\u0120"));
  EXPECT_EQ(parts.types[3], Type::kControl);
  ASSERT_EQ(parts.merges.size(), 1u);
  EXPECT_EQ(std::pair(parts.merges[0].left, parts.merges[0].right), std::pair(0, 1));
  EXPECT_TRUE(parts.ignore_merges);
  EXPECT_TRUE(parts.add_bos) << "llama-bpe's own";
  EXPECT_FALSE(parts.add_eos);
  EXPECT_EQ(parts.bos, 3);
  EXPECT_EQ(parts.eos, 3);
  file.boolean("tokenizer.ggml.add_bos_token", false).boolean("tokenizer.ggml.add_eos_token", true);
  const TokenizerParts said = gguf_tokenizer_parts(of(file));
  EXPECT_FALSE(said.add_bos);
  EXPECT_TRUE(said.add_eos);
}

TEST_F(GgufTokenizer, SentencePiecePartsHaveItsDefaults) {
  GgufWriter file = llama({"<unk>", "<s>", "</s>", "a"});
  const TokenizerParts parts = gguf_tokenizer_parts(of(file));
  EXPECT_EQ(parts.kind, TokenizerParts::Kind::kSentencePieceBpe);
  EXPECT_EQ(parts.unk, 0);
  EXPECT_EQ(parts.bos, 1);
  EXPECT_EQ(parts.eos, 2);
  EXPECT_TRUE(parts.add_bos);
  EXPECT_EQ(parts.rules.added_space, TokenizerParts::AddedSpace::kEach);
  EXPECT_TRUE(parts.scores.empty());
  file.numbers<float>("tokenizer.ggml.scores", GgufValueType::kF32, {0, 0, 0, -1});
  file.boolean("tokenizer.ggml.add_space_prefix", false).u32("tokenizer.ggml.unknown_token_id", 3);
  const TokenizerParts said = gguf_tokenizer_parts(of(file));
  EXPECT_EQ(said.rules.added_space, TokenizerParts::AddedSpace::kNone);
  EXPECT_EQ(said.unk, 3);
  EXPECT_THAT(said.scores, ElementsAre(0, 0, 0, -1));
}

TEST_F(GgufTokenizer, WhiteSpaceBehindPhi3sTokensIsPartOfThem) {
  GgufWriter file = llama({"<unk>", "<s>", "</s>", "a", "<|endoftext|>", "<|end|>", "<|user|>"});
  file.numbers<int32_t>("tokenizer.ggml.token_type", GgufValueType::kI32, {2, 3, 3, 1, 3, 3, 4});
  EXPECT_TRUE(gguf_tokenizer_parts(of(file)).matching.empty());
  file.text("general.architecture", "phi3");
  const TokenizerParts parts = gguf_tokenizer_parts(of(file));
  std::vector<int32_t> ids;
  for (const auto& [id, how] : parts.matching)
    if (how.rstrip) ids.push_back(id);
  EXPECT_THAT(ids, ElementsAre(2, 5, 6));
  const auto tokenizer = gguf_tokenizer(of(file), 7);
  EXPECT_EQ(tokenizer->encode("<|user|>\n <|end|>", {.add_special_tokens = false}).value(),
            (std::vector<int32_t>{6, 5}));
}

TEST_F(GgufTokenizer, AddedTokensBeyondTheEmbeddingAreLeftOut) {
  GgufWriter file = llama({"<unk>", "<s>", "</s>", "a", "<x>", "<y>"});
  file.numbers<int32_t>("tokenizer.ggml.token_type", GgufValueType::kI32, {2, 3, 3, 1, 4, 3});
  EXPECT_EQ(gguf_tokenizer(of(file), 6)->vocab_size(), 6);
  EXPECT_EQ(gguf_tokenizer(of(file), 5)->token_to_id("<y>"), std::nullopt);
  EXPECT_EQ(gguf_tokenizer(of(file), 2)->vocab_size(), 4) << "\"a\" is the model's own";
}

TEST_F(GgufTokenizer, WhatIsWrongIsNamed) {
  EXPECT_THAT(why_refused({}), AllOf(HasSubstr("a.gguf: key \"tokenizer.ggml.model\""),
                                     HasSubstr("expected gpt2 or llama, found nothing")));
  EXPECT_THAT(why_refused(GgufWriter().text("tokenizer.ggml.model", "bert")),
              HasSubstr("found \"bert\""));
  EXPECT_THAT(why_refused(GgufWriter().text("tokenizer.ggml.model", "gpt2")),
              HasSubstr("\"tokenizer.ggml.tokens\": expected an array of strings"));
  EXPECT_THAT(why_refused(gpt2({"a", "\xFF"}, {})), HasSubstr("UTF-8, but token 1 is not"));
  EXPECT_THAT(why_refused(gpt2({"a"}, {}, "default")),
              AllOf(HasSubstr("\"tokenizer.ggml.pre\": expected one of gpt-2"),
                    HasSubstr("--tokenizer"), HasSubstr("found \"default\"")));
  for (const char* merge : {"", "a", "a b", "x a", "a "})
    EXPECT_THAT(why_refused(gpt2({"a"}, {merge})), HasSubstr("two tokens in each, but number 0 is"))
        << merge;
  EXPECT_THAT(why_refused(gpt2({"a"}, {}).numbers<int32_t>("tokenizer.ggml.token_type",
                                                           GgufValueType::kI32, {7})),
              HasSubstr("token types from 1 to 6, but one is 7"));
  EXPECT_THAT(why_refused(gpt2({"a"}, {}).numbers<int32_t>("tokenizer.ggml.token_type",
                                                           GgufValueType::kI32, {1, 1})),
              HasSubstr("expected 1 of them"));
  EXPECT_THAT(why_refused(llama({"a"}).numbers<float>("tokenizer.ggml.scores", GgufValueType::kF32,
                                                      {1, 2})),
              HasSubstr("\"tokenizer.ggml.scores\": expected 1 of them"));
  EXPECT_THAT(why_refused(llama({"a"}).u32("tokenizer.ggml.bos_token_id", 1)),
              HasSubstr("bos_token_id\": expected an integer from 0 to 0, found 1"));
}

TEST_F(GgufTokenizer, TheChatTemplateIsTheFiles) {
  const auto tokenizer =
      std::move(Tokenizer::build(gguf_tokenizer_parts(of(gpt2({"a"}, {}))))).value();
  EXPECT_EQ(gguf_chat_template(of({}), *tokenizer), nullptr);
  GgufWriter file;
  file.text("tokenizer.chat_template", "{{ messages[0].content }}");
  const auto made = gguf_chat_template(of(file), *tokenizer);
  ASSERT_NE(made, nullptr);
  ChatInput input;
  input.messages = nlohmann::ordered_json::parse(R"([{"role": "user", "content": "a"}])");
  EXPECT_EQ(made->render(input).value().text, "a");
  const auto why = [&](const std::string& text) -> std::string {
    try {
      gguf_chat_template(of(GgufWriter().text("tokenizer.chat_template", text)), *tokenizer);
    } catch (const StartError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_THAT(why("{% if %}"), HasSubstr("a.gguf: key \"tokenizer.chat_template\": "));
  EXPECT_THAT(why("\xFF"), HasSubstr("expected UTF-8"));
  EXPECT_THAT(why(std::string((1 << 20) + 1, 'x')), HasSubstr("at most 1048576 bytes"));
}

TEST_F(GgufTokenizer, ATokenizerJsonInTheFileIsUsedInstead) {
  GgufWriter file = gpt2({"a", "b", "<s>", "</s>"}, {}, "default");
  file.text("tokenizer.huggingface.json", read_file(test::demo_model_dir() / "tokenizer.json"));
  file.u32("tokenizer.ggml.bos_token_id", 2);
  const auto tokenizer = gguf_tokenizer(of(file), 6144);
  const auto reference = std::move(Tokenizer::load(test::demo_model_dir())).value();
  EXPECT_EQ(tokenizer->encode("Once upon a time", {}).value(),
            reference->encode("Once upon a time", {}).value());
  EXPECT_EQ(tokenizer->bos_token(), "<s>") << "by the file's ids";
  EXPECT_EQ(tokenizer->eos_token(), "");
  const auto why = [&](const std::string& json) -> std::string {
    try {
      gguf_tokenizer(of(GgufWriter().text("tokenizer.huggingface.json", json)), 6144);
    } catch (const StartError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_THAT(why("{"), HasSubstr("a.gguf: key \"tokenizer.huggingface.json\": not JSON"));
  EXPECT_THAT(why("\xFF"), HasSubstr("expected UTF-8"));
}

// The demo model's tokenizer.json, as a GGUF file has it.
TEST_F(GgufTokenizer, TheDemoModelsGivesTheSameIds) {
  GgufWriter file;
  test::add_demo_tokenizer(file);
  const auto built = std::move(Tokenizer::build(gguf_tokenizer_parts(of(file)))).value();
  const auto reference = std::move(Tokenizer::load(test::demo_model_dir())).value();
  for (const char* text :
       {"Hello, world!", "  1234 a\u00e4\u4f60 \n\nx", "<|begin_of_text|>hi<|eot_id|>"})
    for (const bool special : {false, true})
      EXPECT_EQ(built->encode(text, {.add_special_tokens = special}).value(),
                reference->encode(text, {.add_special_tokens = special}).value())
          << text;
}

}  // namespace
}  // namespace ember
