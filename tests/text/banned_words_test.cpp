// SPDX-License-Identifier: Apache-2.0
#include "ember/text/banned_words.h"

#include <gmock/gmock.h>

#include <filesystem>

namespace ember {
namespace {

using testing::ElementsAre;
using State = TokenConstraint::State;

bool allows(const std::vector<uint32_t>& words, int32_t id) {
  return (words[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0;
}

std::vector<uint32_t> mask(TokenConstraint& constraint, const std::vector<int32_t>& output) {
  std::vector<uint32_t> words(2);
  constraint.next_mask(output, words);
  return words;
}

TEST(BannedWords, OneTokenIsNeverAllowed) {
  BannedWords ban({{5}}, 40, nullptr);
  for (const std::vector<int32_t>& output : {std::vector<int32_t>{}, {5}, {1, 2}}) {
    const auto words = mask(ban, output);
    EXPECT_FALSE(allows(words, 5));
    EXPECT_TRUE(allows(words, 4) && allows(words, 39));
    EXPECT_FALSE(allows(words, 40)) << "there is no such token";
    break;
  }
  EXPECT_EQ(ban.state(), State::kOpen);
}

TEST(BannedWords, TheLastTokenOfASequenceOnly) {
  BannedWords ban({{1, 2, 3}, {1, 4}}, 40, nullptr);
  EXPECT_TRUE(allows(mask(ban, {}), 3));
  EXPECT_FALSE(allows(mask(ban, {1}), 4));
  EXPECT_TRUE(allows(mask(ban, {1, 2}), 4));
  BannedWords other({{1, 2, 3}}, 40, nullptr);
  EXPECT_FALSE(allows(mask(other, {9, 1, 2}), 3));
  BannedWords third({{1, 2, 3}}, 40, nullptr);
  EXPECT_TRUE(allows(mask(third, {1, 2, 9}), 3));
}

class OnlyEven final : public TokenConstraint {
 public:
  State state() const override { return count_ < 3 ? State::kOpen : State::kDone; }

 private:
  void accept(int32_t) override { ++count_; }
  void fill_mask(std::span<uint32_t> words) override {
    std::fill(words.begin(), words.end(), 0x55555555u);
  }
  int count_ = 0;
};

TEST(BannedWords, AnotherConstraintHoldsToo) {
  BannedWords ban({{4}, {6, 8}}, 40, std::make_unique<OnlyEven>());
  const auto first = mask(ban, {6});
  EXPECT_FALSE(allows(first, 4) || allows(first, 8) || allows(first, 5));
  EXPECT_TRUE(allows(first, 2));
  EXPECT_EQ(ban.state(), State::kOpen);
  mask(ban, {6, 2, 2});
  EXPECT_EQ(ban.state(), State::kDone);
}

class OnlyEvenSource final : public ConstraintSource {
 public:
  std::unique_ptr<TokenConstraint> start() const override { return std::make_unique<OnlyEven>(); }
};

TEST(BannedWords, EveryAnswerOfARequestStartsAnew) {
  const BannedWordsSource source({{4}}, 40, std::make_shared<OnlyEvenSource>());
  for (int i = 0; i < 2; ++i) {
    const std::unique_ptr<TokenConstraint> ban = source.start();
    EXPECT_FALSE(allows(mask(*ban, {6}), 4));
    mask(*ban, {6, 2, 2});
    EXPECT_EQ(ban->state(), State::kDone);
  }
  EXPECT_EQ(BannedWordsSource({{4}}, 40, nullptr).start()->state(), State::kOpen);
}

TEST(BannedWords, WordsWithAndWithoutASpace) {
  const auto tokenizer =
      Tokenizer::load(std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model");
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<std::string> words = {"fox"};
  const auto sequences = banned_sequences(*tokenizer.value(), words);
  ASSERT_TRUE(sequences.ok());
  ASSERT_FALSE(sequences.value().empty());
  std::vector<std::string> texts;
  for (const auto& sequence : sequences.value())
    texts.push_back(tokenizer.value()->decode(sequence, false).value());
  EXPECT_THAT(texts, testing::Contains("fox"));
  for (const std::string& text : texts) EXPECT_TRUE(text == "fox" || text == " fox") << text;
}

}  // namespace
}  // namespace ember
