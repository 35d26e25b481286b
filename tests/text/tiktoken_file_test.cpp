// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tiktoken_file.h"

#include <gmock/gmock.h>

#include "ember/text/pre_tokenizers.h"
#include "text/fixtures.h"

namespace ember {
namespace {

using testing::HasSubstr;

std::string small_file() {
  std::ifstream in(test::source_dir() / "tests/data/sentencepiece/ranks.tiktoken");
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(TiktokenFile, GivesTheIdsOfTheLibrary) {
  TokenizerParts parts = parse_tiktoken(small_file()).value();
  EXPECT_EQ(parts.tokens.size(), 700u);
  parts.split_steps = find_pre_tokenizer("glm4")->split_steps;
  const auto tokenizer = std::move(Tokenizer::build(parts)).value();
  const auto reference =
      test::read_json(test::source_dir() / "tests/data/sentencepiece/reference.json");
  for (size_t i = 0; i < reference["texts"].size(); ++i) {
    const std::string text = reference["texts"][i];
    const auto ids = tokenizer->encode(text, {}).value();
    EXPECT_EQ(ids, reference["tiktoken"][i].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(tokenizer->decode(ids, false).value(), text);
  }
}

TEST(TiktokenFile, ARankWithoutALineIsAnUnusedToken) {
  const TokenizerParts parts = parse_tiktoken(small_file() + "\r\nYWJjZGVm 702\r\n").value();
  ASSERT_EQ(parts.tokens.size(), 703u);
  EXPECT_EQ(parts.tokens[702], "abcdef");
  EXPECT_EQ(parts.types[701], TokenizerParts::TokenType::kUnused);
  EXPECT_EQ(parts.types[702], TokenizerParts::TokenType::kNormal);
}

TEST(TiktokenFile, WhatIsWrongIsNamed) {
  const auto why = [](const std::string& text) {
    const auto parts = parse_tiktoken(text);
    return parts.ok() ? "accepted" : parts.error().message;
  };
  EXPECT_THAT(why(""), HasSubstr("no token for the byte 0x00"));
  for (const char* line : {"?", "YQ 0", "YQ== 0 ", " 0", "Y=== 0", "Y$== 0", "=YQ= 0"})
    EXPECT_THAT(why(line), HasSubstr("tiktoken file: line 1: expected")) << line;
  for (const char* line : {"YQ==", "YQ== ", "YQ== -1", "YQ== 1x", "YQ== 4194304", "YQ==  1"})
    EXPECT_THAT(why(std::string("YQ== 0\n\n") + line),
                HasSubstr("line 3: expected a rank from 0 to 4194303 behind a space"))
        << line;
  EXPECT_THAT(why("YQ== 0\nYg== 0"), HasSubstr("line 2: rank 0 is given to two tokens"));
  EXPECT_THAT(why("YQ== 0\nYQ== 1"), HasSubstr("rank 1 has the bytes of rank 0"));
  std::string cut = small_file();
  cut.erase(0, cut.find('\n') + 1);
  EXPECT_THAT(why(cut), HasSubstr("no token for the byte 0x00"));
}

}  // namespace
}  // namespace ember
