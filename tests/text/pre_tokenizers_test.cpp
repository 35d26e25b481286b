// SPDX-License-Identifier: Apache-2.0
#include "ember/text/pre_tokenizers.h"

#include <gmock/gmock.h>

#include "ember/text/tokenizer.h"
#include "text/fixtures.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The tokens of a text in a vocabulary of some characters and all pairs of them.
std::vector<std::string> pieces(std::string_view name, const std::string& text) {
  const PreTokenizer* pre = find_pre_tokenizer(name);
  if (pre == nullptr) return {"unknown"};
  TokenizerParts parts;
  // Space is spelled U+0120, line feed U+010A.
  const std::vector<std::string> letters = {"\u0120", "\u010A", "a", "b", "B", "1", "!", "'", "s"};
  parts.tokens = letters;
  for (size_t i = 0; i < letters.size(); ++i)
    for (size_t j = 0; j < letters.size(); ++j) {
      parts.tokens.push_back(letters[i] + letters[j]);
      parts.merges.push_back({static_cast<int32_t>(i), static_cast<int32_t>(j)});
    }
  parts.split_steps = pre->split_steps;
  const auto tokenizer = std::move(Tokenizer::build(parts)).value();
  std::vector<std::string> texts;
  const std::vector<int32_t> ids = tokenizer->encode(text, {}).value();
  for (const int32_t id : ids) texts.push_back(tokenizer->token_bytes(id));
  return texts;
}

// Two characters become one token where no cut lies between them.
TEST(PreTokenizers, CutAsTheirModelsDo) {
  EXPECT_THAT(pieces("gpt-2", "11"), ElementsAre("11"));
  EXPECT_THAT(pieces("gpt-2", " 1"), ElementsAre(" 1"));
  EXPECT_THAT(pieces("smollm", "11"), ElementsAre("1", "1"));
  EXPECT_THAT(pieces("smollm", " 1"), ElementsAre(" ", "1"));
  EXPECT_THAT(pieces("smollm", " a"), ElementsAre(" a"));
  EXPECT_THAT(pieces("llama-bpe", "11"), ElementsAre("11"));
  EXPECT_THAT(pieces("llama-bpe", "1111"), ElementsAre("11", "1", "1")) << "three digits at most";
  EXPECT_THAT(pieces("llama-bpe", " 1"), ElementsAre(" ", "1"));
  EXPECT_THAT(pieces("llama-bpe", "!a"), ElementsAre("!a")) << "a sign before a word is its";
  EXPECT_THAT(pieces("gpt-2", "!a"), ElementsAre("!", "a"));
  EXPECT_THAT(pieces("qwen2", "11"), ElementsAre("1", "1"));
  EXPECT_THAT(pieces("qwen2", "!\n"), ElementsAre("!\n"));
  EXPECT_THAT(pieces("gpt-2", "!\n"), ElementsAre("!", "\n"));
  EXPECT_THAT(pieces("qwen2", "aB"), ElementsAre("aB"));
  EXPECT_THAT(pieces("tekken", "aB"), ElementsAre("a", "B"));
  EXPECT_THAT(pieces("gpt-4o", "aB"), ElementsAre("a", "B"));
  EXPECT_THAT(pieces("llama-bpe", "a's"), ElementsAre("a", "'s"));
  EXPECT_THAT(pieces("qwen35", "ab"), ElementsAre("ab"));
}

TEST(PreTokenizers, KnowWhatElseBelongsToThem) {
  EXPECT_TRUE(find_pre_tokenizer("llama-bpe")->ignore_merges);
  EXPECT_TRUE(find_pre_tokenizer("llama-bpe")->add_bos);
  EXPECT_TRUE(find_pre_tokenizer("glm4")->ignore_merges);
  EXPECT_FALSE(find_pre_tokenizer("glm4")->add_bos);
  EXPECT_TRUE(find_pre_tokenizer("qwen2")->normalize_nfc);
  EXPECT_FALSE(find_pre_tokenizer("smollm")->ignore_merges);
}

TEST(PreTokenizers, UnknownNamesAreNone) {
  EXPECT_EQ(find_pre_tokenizer("default"), nullptr);
  EXPECT_EQ(find_pre_tokenizer(""), nullptr);
  EXPECT_THAT(pre_tokenizer_names(), HasSubstr("smollm, starcoder"));
}

// The row of a real model cuts as its own tokenizer.json does.
TEST(PreTokenizers, Qwen2IsThatOfItsTokenizerJson) {
  if (test::qwen() == nullptr) return;
  std::ifstream in(test::qwen_dir() / "tokenizer.json");
  const nlohmann::json json = nlohmann::json::parse(in);
  EXPECT_THAT(
      find_pre_tokenizer("qwen2")->split_steps,
      ElementsAre(
          json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"].get<std::string>()));
}

}  // namespace
}  // namespace ember
