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

TEST(Hermes, Calls) {
  const auto is = [](const std::string& text) { return without_ids(parse(text, "hermes")); };
  const std::string f = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";
  EXPECT_EQ(is(f), call("f", R"({"a":1})"));
  EXPECT_EQ(is("Looking.\n\n" + f + "\n"), call("f", R"({"a":1})", "Looking."));
  EXPECT_EQ(is(f + "\nDone."), call("f", R"({"a":1})", "\nDone."));
  EXPECT_EQ(is("A\n" + f + "\n" + f + "B"),
            (Parsed{"AB", {{"f", R"({"a":1})"}, {"f", R"({"a":1})"}}, {}}));
  EXPECT_EQ(is("<tool_call>{\"name\": \"f\", \"arguments\": {}}"), call("f", "{}"))
      << "the end tag may have been the stop";
  EXPECT_EQ(is("a <tool_calls> b "), (Parsed{"a <tool_calls> b ", {}, {}}));
}

TEST(Hermes, MalformedCallsAreContent) {
  for (const std::string text :
       {"a <tool_call>", "<tool_call>{\"name\": \"f\", \"arguments\": {",
        "<tool_call>\nf()\n</tool_call>", "<tool_call>{'name': 'f'}</tool_call>",
        "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>", " <tool",
        "<tool_call>{\"name\": \"f\", \"arguments\": {]}}</tool_call>"})
    EXPECT_EQ(without_ids(parse(text, options("hermes"))), (Parsed{text, {}, {}}));
  const std::string f = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  EXPECT_EQ(without_ids(parse("<tool_call>x" + f, options("hermes"))),
            call("f", "{}", "<tool_call>x"));
}

TEST(Hermes, Grammar) {
  test::expect_grammar_of(
      {"hermes",
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call>",
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": "
       "2}}\n</tool_call>\n<tool_call>{\"name\": \"noop\", \"arguments\": {}}</tool_call>",
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>",
       "<tool_call>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_call>",
       "It is <b>3</b>, {\"name\": 1}", true});
}

TEST(Hermes, TheParserReadsWhatTheGrammarAllows) { test::expect_parser_reads_grammar("hermes"); }

}  // namespace
}  // namespace ember
