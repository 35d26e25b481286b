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

TEST(Glm4, Calls) {
  const auto is = [](const std::string& text) { return without_ids(parse(text, "glm4")); };
  EXPECT_EQ(is("get_weather\n{\"city\": \"Köln\"}"), call("get_weather", "{\"city\": \"Köln\"}"));
  EXPECT_EQ(is("f\n{}\nnoop\n{}"), (Parsed{"", {{"f", "{}"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(is("\nHello\nf\n{}"), (Parsed{"Hello\nf\n{}", {}, {}}));
  EXPECT_EQ(is("fine\n{}"), (Parsed{"fine\n{}", {}, {}}));
  EXPECT_EQ(is("f"), (Parsed{"f", {}, {}}));
  EXPECT_EQ(is("f\nof x"), (Parsed{"f\nof x", {}, {}}));
}

TEST(Glm4, Grammar) {
  test::expect_grammar_of({"glm4", "add\n{\"a\": 1, \"b\": 2}", "", "add\n{\"a\": 1, \"b\": 200}",
                           "", "add 3 to it\n{\"a\": 1}", false});
}

TEST(Glm4, TheParserReadsWhatTheGrammarAllows) { test::expect_parser_reads_grammar("glm4"); }

}  // namespace
}  // namespace ember
