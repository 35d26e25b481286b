// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "text/tool_calls.h"

namespace ember {
namespace {

using test::call;
using test::options;
using test::parse;
using test::Parsed;
using test::without_ids;

TEST(Mistral, Calls) {
  const auto is = [](const std::string& text) { return without_ids(parse(text, "mistral")); };
  EXPECT_EQ(is(R"([TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}])"), call("f", R"({"a":1})"));
  EXPECT_EQ(
      is(R"(Text [TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": "noop", "arguments": {}}] more)"),
      (Parsed{"Text more", {{"f", "{}"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(is(R"([TOOL_CALLS]f[ARGS]{"a": 1})"), call("f", R"({"a": 1})"));
  EXPECT_EQ(is(R"([TOOL_CALLS]f{"a": 1}[TOOL_CALLS]noop[CALL_ID]123456789[ARGS]{})"),
            (Parsed{"", {{"f", R"({"a": 1})"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(is("[TOOL_CALLS]unknown{}"), (Parsed{"[TOOL_CALLS]unknown{}", {}, {}}));
  EXPECT_EQ(is("[TOOL_CALLS] hm"), (Parsed{"[TOOL_CALLS] hm", {}, {}}));
}

TEST(Mistral, IdsAreNineLettersAndDigits) {
  EXPECT_THAT(parse("[TOOL_CALLS]f{}", options("mistral")).ids[0],
              testing::MatchesRegex("[0-9A-Za-z]{9}"));
}

TEST(Mistral, Grammar) {
  test::expect_grammar_of(
      {"mistral", R"([TOOL_CALLS][{"name": "add", "arguments": {"a": 1, "b": 2}}])",
       R"([TOOL_CALLS] [{"name": "add", "arguments": {"a": 1, "b": 2}}, {"name": "noop", "arguments": {"x": [1]}}])",
       R"([TOOL_CALLS][{"name": "add", "arguments": {"a": "1", "b": 2}}])",
       R"([TOOL_CALLS][{"name": "sub", "arguments": {}}])", "[1] is a list", true});
}

TEST(Mistral, GrammarOfTheLaterForm) {
  const ToolGrammarSpec several = test::spec_of("mistral", true),
                        one = test::spec_of("mistral", true, false);
  const std::string sum = "[TOOL_CALLS]add[ARGS]{\"a\": 1, \"b\": 2}";
  EXPECT_TRUE(test::accepts(several, sum) && test::accepts(one, sum));
  EXPECT_TRUE(test::accepts(several, sum + "[TOOL_CALLS]noop[ARGS]{}"));
  EXPECT_FALSE(test::accepts(one, sum + "[TOOL_CALLS]noop[ARGS]{}"));
  EXPECT_FALSE(test::accepts(several, "[TOOL_CALLS]add[ARGS]{\"a\": 1, \"b\": 200}"));
  EXPECT_FALSE(test::accepts(several, "[TOOL_CALLS]sub[ARGS]{}"));
}

TEST(Mistral, TheParserReadsWhatTheGrammarAllows) { test::expect_parser_reads_grammar("mistral"); }

}  // namespace
}  // namespace ember
