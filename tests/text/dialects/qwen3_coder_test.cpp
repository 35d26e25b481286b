// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "text/tagged_texts.h"

namespace ember {
namespace {

using test::call;
using test::Parsed;
using test::tagged;
using test::tagged_options;

Parsed read(const std::string& text) { return tagged(text, "qwen3_coder"); }

std::string one(const std::string& name, const std::string& parameters) {
  return "<tool_call>\n<function=" + name + ">\n" + parameters + "</function>\n</tool_call>";
}
std::string parameter(const std::string& key, const std::string& value) {
  return "<parameter=" + key + ">\n" + value + "\n</parameter>\n";
}

TEST(Qwen3Coder, Calls) {
  const std::string f = one("f", parameter("s", "K\u00f6ln"));
  EXPECT_EQ(read(f), call("f", R"({"s": "Köln"})"));
  EXPECT_EQ(read("I look.\n\n" + f + "\n"), call("f", R"({"s": "Köln"})", "I look."));
  EXPECT_EQ(read(f + "\n" + one("noop", "")),
            (Parsed{"", {{"f", R"({"s": "Köln"})"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(read("<tool_call><function=f><parameter=s>a</parameter></function></tool_call>"),
            call("f", R"({"s": "a"})"));
}

TEST(Qwen3Coder, ValuesByTheirSchemas) {
  const auto value = [](const std::string& key, const std::string& text) {
    return read(one("f", parameter(key, text))).calls.at(0).second;
  };
  EXPECT_EQ(value("s", "5"), R"({"s": "5"})");
  EXPECT_EQ(value("s", "a\n\"b\" \\ <c>\t{"), R"({"s": "a\n\"b\" \\ <c>\t{"})");
  EXPECT_EQ(value("s", "\n two \n"), R"({"s": "\n two \n"})");
  EXPECT_EQ(value("s", ""), R"({"s": ""})");
  EXPECT_EQ(value("n", "5"), R"({"n": 5})");
  EXPECT_EQ(value("n", " -5 "), R"({"n": -5})");
  EXPECT_EQ(value("n", "five"), R"({"n": "five"})");
  EXPECT_EQ(value("b", "true"), R"({"b": true})");
  EXPECT_EQ(value("b", "False"), R"({"b": false})");
  EXPECT_EQ(value("o", R"({"k": "</parameter>"})"), R"({"o": {"k": "</parameter>"}})");
  EXPECT_EQ(value("o", "[1,"), R"({"o": "[1,"})");
  EXPECT_EQ(value("opt", "null"), R"({"opt": null})");
  EXPECT_EQ(value("opt", "7"), R"({"opt": "7"})");
  EXPECT_EQ(value("other", "7"), R"({"other": 7})") << "not declared";
  EXPECT_EQ(value("other", "seven"), R"({"other": "seven"})");
}

TEST(Qwen3Coder, WithoutTheOuterTag) {
  EXPECT_EQ(test::parse("Now.\n<function=f>\n<parameter=n>\n1\n</parameter>\n</function>",
                        tagged_options("qwen3_coder", false))
                .calls,
            call("f", R"({"n": 1})").calls);
}

TEST(Qwen3Coder, MalformedCallsStayText) {
  const test::Options how = tagged_options("qwen3_coder", false);
  for (const std::string text :
       {"<tool_call>", "<tool_call>\n<function=f", "<tool_call>\n<function=unknown>\n</function>",
        "<tool_call>{\"name\": \"f\"}</tool_call>", "<function=f>\nhello</function>",
        "<tool_call>\n<function=f>\n<parameter=s>\nnever ends", "<functions", "a <tool",
        "<tool_call>\n<function=f>\n<parameter=s>\na\n</parameter>\n</tool_call>"})
    EXPECT_EQ(test::without_ids(test::parse(text, how)), (Parsed{text, {}, {}}));
  const std::string good = one("noop", "");
  EXPECT_EQ(test::without_ids(test::parse("<tool_call> no\n" + good, how)),
            call("noop", "{}", "<tool_call> no"));
}

TEST(Qwen3Coder, CutOffWhenConstrained) {
  const test::Options how = tagged_options("qwen3_coder", true);
  const Parsed parsed = test::parse("<tool_call>\n<function=f>\n<parameter=s>\nab\ncd", how);
  EXPECT_EQ(test::without_ids(parsed), call("f", R"({"s": "ab\ncd)"));
}

TEST(Qwen3Coder, StringsGoOutAsTheyCome) {
  ToolParser parser(tagged_options("qwen3_coder", true));
  EXPECT_TRUE(parser.push("<tool_call>\n<function=f").calls.empty());
  EXPECT_EQ(parser.push(">").calls.at(0).name, "f");
  EXPECT_EQ(parser.push("\n<parameter=s>\nab").calls.at(0).arguments, R"({"s": "ab)");
  EXPECT_EQ(parser.push("\n\"c").calls.at(0).arguments, R"(\n\"c)");
  EXPECT_TRUE(parser.push("\n</para").calls.empty());
  EXPECT_EQ(parser.push("meter>\n</function>").calls.at(0).arguments, "\"}");
}

TEST(Qwen3Coder, Grammar) {
  const std::string sum = one("add", parameter("a", "1") + parameter("b", "2"));
  test::expect_grammar_of({"qwen3_coder", sum,
                           sum + "\n" + one("get_weather", parameter("city", "Rome")),
                           one("add", parameter("a", "1") + parameter("b", "200")), one("sub", ""),
                           "3 < 4 <parameter=a>", true});
}

TEST(Qwen3Coder, TheParserReadsWhatTheGrammarAllows) {
  test::expect_parser_reads_grammar("qwen3_coder");
}

TEST(Qwen3Coder, ArgumentsAreValid) { test::expect_valid_arguments("qwen3_coder"); }

TEST(SeedOss, CallsAndGrammar) {
  const std::string call_of_add =
      "<seed:tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n2\n"
      "</parameter>\n</function>\n</seed:tool_call>";
  EXPECT_EQ(tagged("<seed:tool_call>\n<function=f>\n<parameter=n>5</parameter>\n</function>\n"
                   "</seed:tool_call>",
                   "seed_oss"),
            call("f", R"({"n": 5})"));
  EXPECT_TRUE(test::accepts(test::spec_of("seed_oss", true), call_of_add));
  test::expect_parser_reads_grammar("seed_oss");
}

}  // namespace
}  // namespace ember
