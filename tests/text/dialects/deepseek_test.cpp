// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "text/tool_calls.h"

namespace ember {
namespace {

using test::call;
using test::parse;
using test::Parsed;
using test::without_ids;

std::string v31(const std::string& calls) {
  return "<｜tool▁calls▁begin｜>" + calls + "<｜tool▁calls▁end｜>";
}
std::string one(const std::string& name, const std::string& arguments) {
  return "<｜tool▁call▁begin｜>" + name + "<｜tool▁sep｜>" + arguments + "<｜tool▁call▁end｜>";
}
std::string block(const std::string& name, const std::string& arguments) {
  return one("function", name + "\n```json\n" + arguments + "\n```");
}

TEST(DeepseekV31, Calls) {
  const auto is = [](const std::string& text) { return without_ids(parse(text, "deepseek_v31")); };
  const std::string f = one("f", R"({"a": "K\"\u00f6"})");
  EXPECT_EQ(is(v31(f)), call("f", R"({"a": "K\"\u00f6"})"));
  EXPECT_EQ(is("I look.\n\n" + v31(f + one("noop", "{}")) + "\n"),
            (Parsed{"I look.", {{"f", R"({"a": "K\"\u00f6"})"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(is("<｜tool▁calls▁begin｜>" + one("noop", "{}")), call("noop", "{}")) << "never closed";
  EXPECT_EQ(is("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>noop<｜tool▁sep｜>{}"),
            call("noop", "{}"));
}

TEST(DeepseekV31, MalformedCallsStayText) {
  for (const std::string& text :
       {v31(one("unknown", "{}")), v31(one("f", "[]")), v31(one("f", "{")), v31(one("f", "{a}")),
        v31(block("f", "{}")), v31("f"), std::string("<｜tool▁calls▁begin｜>"),
        std::string("<｜tool▁calls▁beg"), one("f", "{}")})
    EXPECT_EQ(without_ids(parse(text, test::options("deepseek_v31"))), (Parsed{text, {}, {}}));
}

TEST(DeepseekV31, Grammar) {
  const std::string sum = one("add", R"({"a": 1, "b": 2})");
  test::expect_grammar_of({"deepseek_v31", v31(sum),
                           v31(sum + one("get_weather", R"({"city": "Rome"})")),
                           v31(one("add", R"({"a": 1, "b": 200})")), v31(one("sub", "{}")),
                           "1 < 2 <｜tool▁sep｜>", true});
}

TEST(DeepseekV31, TheParserReadsWhatTheGrammarAllows) {
  test::expect_parser_reads_grammar("deepseek_v31");
}

TEST(DeepseekV3, Calls) {
  const auto is = [](const std::string& text) { return without_ids(parse(text, "deepseek_v3")); };
  EXPECT_EQ(is(v31(block("f", R"({"a": [1]})"))), call("f", R"({"a": [1]})"));
  EXPECT_EQ(is("Yes. " + v31(block("f", "{}") + "\n" + block("noop", "{}"))),
            (Parsed{"Yes.", {{"f", "{}"}, {"noop", "{}"}}, {}}));
  const std::string other = v31(one("f", "{}"));
  EXPECT_EQ(without_ids(parse(other, test::options("deepseek_v3"))), (Parsed{other, {}, {}}));
}

TEST(DeepseekV3, Grammar) {
  const std::string sum = block("add", R"({"a": 1, "b": 2})");
  test::expect_grammar_of(
      {"deepseek_v3", v31(sum), v31(sum + "\n" + block("get_weather", R"({"city": "Rome"})")),
       v31(block("add", R"({"a": 1, "b": 200})")), v31(block("sub", "{}")), "```json", true});
}

TEST(DeepseekV3, TheParserReadsWhatTheGrammarAllows) {
  test::expect_parser_reads_grammar("deepseek_v3");
}

}  // namespace
}  // namespace ember
