// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_grammar.h"

#include <gtest/gtest.h>

#include "text/tool_calls.h"

namespace ember {
namespace {

TEST(ToolGrammar, ReasoningComesFirst) {
  const ToolGrammarSpec spec = test::spec_of("hermes", true);
  const std::vector<std::pair<GrammarSource, std::string>> answers = {
      {tool_grammar(spec, test::demo()),
       R"(<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>)"},
      {{GrammarKind::kJsonSchema, test::kAdd.dump()}, R"({"a":1,"b":2})"},
      {{GrammarKind::kRegex, "[a-z]{3}"}, "yes"},
      {{GrammarKind::kLark, "start: \"yes\" | \"no\""}, "no"}};
  // A marker of several tokens, and one of a single special token.
  for (const std::string end : {"</think>", "<|eom_id|>"}) {
    for (const auto& [source, answer] : answers) {
      SCOPED_TRACE(end + " " + answer);
      const auto grammar =
          test::compiler().compile(after_reasoning(source, end, test::demo()), "format");
      ASSERT_TRUE(grammar.ok()) << grammar.error().message;
      const auto accepts = [&](const std::string& text) {
        return test::accepts(*grammar.value(), test::demo(), text, test::demo_eos());
      };
      EXPECT_TRUE(accepts("I need a sum {1}." + end + "\n\n" + answer));
      EXPECT_TRUE(accepts(end + answer));
      EXPECT_FALSE(accepts(answer));
      EXPECT_FALSE(accepts("I need a sum."));
      EXPECT_FALSE(accepts("I need a sum." + end));
      EXPECT_FALSE(accepts("I need a sum." + end + "\nIt is 3."));
      EXPECT_FALSE(accepts("I need a sum." + end + answer + "x"));
    }
  }
}

TEST(ToolGrammar, ArgumentsAreObjectsBySchema) {
  const ToolGrammarSpec spec{.dialect = test::spec_of("hermes", true).dialect,
                             .functions = {{"f", nullptr, "tools[0].parameters"},
                                           {"g", {{"$ref", "#/a"}}, "tools[1].parameters"}},
                             .required = true};
  const GrammarSource source = tool_grammar(spec, test::demo());
  EXPECT_EQ(source.schemas,
            (std::vector<std::string>{R"({"type":"object"})", R"({"$ref":"#/a"})"}));
  const auto refused = test::compiler().compile(source, "tools");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().param, "tools");
  EXPECT_EQ(refused.error().message,
            "tools[1].parameters.$ref: \"#/a\" names nothing in the schema (tool g).");
}

}  // namespace
}  // namespace ember
