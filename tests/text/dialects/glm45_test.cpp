// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "text/tagged_texts.h"

namespace ember {
namespace {

using test::call;
using test::Parsed;
using test::tagged;

Parsed read(const std::string& text) { return tagged(text, "glm45"); }

std::string argument(const std::string& key, const std::string& value) {
  return "<arg_key>" + key + "</arg_key>\n<arg_value>" + value + "</arg_value>\n";
}

TEST(Glm45, Calls) {
  const std::string f = "<tool_call>f\n" + argument("s", "K\u00f6ln") + "</tool_call>";
  EXPECT_EQ(read(f), call("f", R"({"s": "Köln"})"));
  EXPECT_EQ(read("\nI look.\n" + f + "\n"), call("f", R"({"s": "Köln"})", "\nI look."));
  EXPECT_EQ(read(f + "\n<tool_call>noop\n</tool_call>"),
            (Parsed{"", {{"f", R"({"s": "Köln"})"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(read("<tool_call>f<arg_key>n</arg_key><arg_value>5</arg_value><arg_key>s</arg_key>"
                 "<arg_value>5</arg_value></tool_call><tool_call>noop</tool_call>"),
            (Parsed{"", {{"f", R"({"n": 5, "s": "5"})"}, {"noop", "{}"}}, {}}));
}

TEST(Glm45, ValuesByTheirSchemas) {
  const auto value = [](const std::string& key, const std::string& text) {
    return read("<tool_call>f\n" + argument(key, text) + "</tool_call>").calls.at(0).second;
  };
  EXPECT_EQ(value("s", "\n a \"b\" </arg_key>\\\n"), R"({"s": "\n a \"b\" </arg_key>\\\n"})");
  EXPECT_EQ(value("s", ""), R"({"s": ""})");
  EXPECT_EQ(value("b", "true"), R"({"b": true})");
  EXPECT_EQ(value("o", R"([{"k": "</arg_value>"}])"), R"({"o": [{"k": "</arg_value>"}]})");
  EXPECT_EQ(value("opt", "null"), R"({"opt": null})");
  EXPECT_EQ(value("opt", "nullable"), R"({"opt": "nullable"})");
}

TEST(Glm45, MalformedCallsStayText) {
  const test::Options how = test::tagged_options("glm45", false);
  for (const std::string text :
       {"<tool_call>", "<tool_call>f", "<tool_call>unknown\n</tool_call>", "<tool_call>f of x",
        "<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>never ends",
        "<tool_call>f\n<arg_key>s</arg_key></tool_call>", "f\n<arg_key>s"})
    EXPECT_EQ(test::without_ids(test::parse(text, how)), (Parsed{text, {}, {}}));
}

TEST(Glm45, AnArgumentThatIsGivenTwiceIsTheLastOne) {
  const std::string text = "<tool_call>f\n" + argument("n", "1") + argument("s", "a") +
                           argument("n", "2") + "</tool_call>";
  EXPECT_EQ(test::without_ids(test::parse(text, test::tagged_options("glm45", false))),
            call("f", R"({"n": 2, "s": "a"})"));
}

TEST(Glm45, Grammar) {
  const std::string sum =
      "<tool_call>add\n" + argument("a", "1") + argument("b", "2") + "</tool_call>";
  test::expect_grammar_of(
      {"glm45", sum,
       sum + "\n<tool_call>get_weather<arg_key>city</arg_key><arg_value>Rome"
             "</arg_value></tool_call>",
       "<tool_call>add\n" + argument("a", "1") + argument("b", "200") + "</tool_call>",
       "<tool_call>sub\n</tool_call>", "3 < 4 <arg_key>", true});
}

TEST(Glm45, TheParserReadsWhatTheGrammarAllows) { test::expect_parser_reads_grammar("glm45"); }

TEST(Glm45, ArgumentsAreValid) { test::expect_valid_arguments("glm45"); }

}  // namespace
}  // namespace ember
