// SPDX-License-Identifier: Apache-2.0
#include "dialects/grammar_rules.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace ember {
namespace {

TEST(GrammarRules, EscapedTextIsItselfInARegularExpression) {
  EXPECT_EQ(lark::escaped("a_1"), "a_1");
  EXPECT_EQ(lark::escaped("<b>.|"), "\\x3Cb\\x3E\\x2E\\x7C");
  EXPECT_EQ(lark::escaped("K\u00f6ln"), "K\u00f6ln");
}

TEST(GrammarRules, AMarkerIsOneTokenOnlyWhereItIsSpecial) {
  const auto token = lark::special(test::demo(), "<|eom_id|>");
  ASSERT_TRUE(token);
  EXPECT_EQ(*token, "<[" + std::to_string(*test::demo().token_to_id("<|eom_id|>")) + "]>");
  EXPECT_FALSE(lark::special(test::demo(), "a"));
  EXPECT_FALSE(lark::special(test::demo(), "</think>"));
}

TEST(GrammarRules, TextUntilAMarker) {
  std::string rules;
  const std::string head = lark::text_until(rules, test::demo(), "<|eom_id|>");
  EXPECT_EQ(head, "HEAD_TEXT " + *lark::special(test::demo(), "<|eom_id|>"));
  EXPECT_EQ(rules, "HEAD_TEXT: /(?s:.*)/\n");
  rules.clear();
  EXPECT_EQ(lark::text_until(rules, test::demo(), "</think>"), "head");
  EXPECT_EQ(rules, "head[lazy]: /(?s:.*)\\x3C\\x2Fthink\\x3E/\n");
}

TEST(GrammarRules, ArgumentsFollowTheSchemasOfTheSource) {
  std::string rules;
  lark::define_arguments(rules, 2);
  EXPECT_EQ(rules, "args_0: @schema_0\nargs_1: @schema_1\n");
}

}  // namespace
}  // namespace ember
