// SPDX-License-Identifier: Apache-2.0
#include "hf_tokenizer.h"

#include <gmock/gmock.h>

namespace ember {
namespace {

using testing::ElementsAre;

TokenizerParts parts() {
  TokenizerParts made;
  using Type = TokenizerParts::TokenType;
  made.tokens = {"a", "b", "ab", "<x>", "<y>"};
  made.types = {Type::kNormal, Type::kNormal, Type::kNormal, Type::kControl, Type::kAdded};
  made.merges = {{0, 1}};
  return made;
}

TEST(HfTokenizer, BosAndPrefixStandBeforeATextAndEosBehind) {
  TokenizerParts of = parts();
  of.add_bos = of.add_eos = true;
  of.bos = 4;
  of.eos = 3;
  of.prefix_ids = {3, 1};
  const auto made = std::move(build_hf_tokenizer(of)).value();
  EXPECT_THAT(made->encode("ab", {}).value(), ElementsAre(4, 3, 1, 2, 3));
  EXPECT_THAT(made->encode("ab", {.add_special_tokens = false}).value(), ElementsAre(2));
  of.add_bos = of.add_eos = false;
  EXPECT_THAT(std::move(build_hf_tokenizer(of)).value()->encode("ab", {}).value(),
              ElementsAre(3, 1, 2));
}

TEST(HfTokenizer, SpecialTokensAreFoundWhereTheyMayBeAndAddedOnesAlways) {
  const auto made = std::move(build_hf_tokenizer(parts())).value();
  EXPECT_THAT(made->encode("<x>a<y>", {}).value(), ElementsAre(3, 0, 4));
  EXPECT_THAT(made->encode("a<y>b", {.parse_special = false}).value(), ElementsAre(0, 4, 1));
  EXPECT_THAT(made->special_ids(), ElementsAre(3));
  EXPECT_EQ(made->token_to_id("<x>"), 3);
  EXPECT_EQ(made->token_to_id("c"), std::nullopt);
  EXPECT_EQ(made->token_bytes(2), "ab");
  EXPECT_EQ(made->token_bytes(5), "");
  EXPECT_EQ(made->vocab_size(), 5u);
}

TEST(HfTokenizer, BuiltTokensAreLookedForAsThePartsSay) {
  TokenizerParts of = parts();
  of.matching[3] = {.lstrip = true};
  of.matching[4] = {.rstrip = true, .single_word = true};
  of.matching[1] = {};
  const auto made = std::move(build_hf_tokenizer(of)).value();
  EXPECT_THAT(made->encode("a <x>a", {}).value(), ElementsAre(0, 3, 0));
  EXPECT_THAT(made->encode("<y> a", {}).value(), ElementsAre(4, 0));
  EXPECT_THAT(made->encode("a<y>", {}).value(), ElementsAre(0)) << "not a word of its own";
  EXPECT_THAT(made->encode("ab", {}).value(), ElementsAre(0, 1)) << "\"b\" cuts a text";
  EXPECT_EQ(made->special_text(3), (Tokenizer::SpecialText{"<x>", true, false, false}));
  EXPECT_EQ(made->special_text(4), (Tokenizer::SpecialText{"<y>", false, true, true}));
}

TEST(HfTokenizer, ATextThatIsNoTokenizerIsRefused) {
  std::vector<std::string> left_out;
  EXPECT_FALSE(load_hf_tokenizer("{}", TokenForm::kPlain, {}, 10, left_out).ok());
}

}  // namespace
}  // namespace ember
