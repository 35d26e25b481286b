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

TEST(Llama3, Calls) {
  const auto is = [](const std::string& text) { return without_ids(parse(text, "llama3_json")); };
  EXPECT_EQ(is(R"({"name": "f", "parameters": {"a": 1}})"), call("f", R"({"a":1})"));
  EXPECT_EQ(is("\n <|python_tag|> {\"name\": \"f\", \"parameters\": {}}\n"), call("f", "{}"));
  EXPECT_EQ(is(R"({"name": "f", "arguments": {"a": "}{\"\\"}})"), call("f", R"({"a":"}{\"\\"})"));
  const Parsed two{"", {{"f", "{}"}, {"noop", R"({"x":[{}]})"}}, {}};
  for (const std::string separator : {"\n", "; ", ";", " , "})
    EXPECT_EQ(is(R"({"name": "f", "parameters": {}})" + separator +
                 R"({"name": "noop", "parameters": {"x": [{}]}})"),
              two);
}

TEST(Llama3, AnswersInWordsAndJson) {
  for (const std::string text :
       {"Hello.", " Hello {", R"({"answer": 5})", R"({"name": "Bob", "age": 5})",
        R"({"name": "unknown", "parameters": {}})", R"(Call {"name": "f", "parameters": {}})",
        R"({"name": "f", "parameters": 5})", "{", R"({"name": "f", "parameters": {"a")",
        "<|python"})
    EXPECT_EQ(without_ids(parse(text, options("llama3_json"))), (Parsed{text, {}, {}}));
}

TEST(Llama3, Grammar) {
  test::expect_grammar_of(
      {"llama3_json", R"({"name": "add", "parameters": {"a": 1, "b": 2}})",
       R"({"name": "add", "parameters": {"a": 1, "b": 2}}; {"name": "get_weather", "parameters": {"city": "Rome"}})",
       R"({"name": "add", "parameters": {"a": 1, "b": 200}})",
       R"({"name": "sub", "parameters": {"a": 1, "b": 2}})", "It is 3. {ok}", false});
}

TEST(Llama3, TheParserReadsWhatTheGrammarAllows) {
  test::expect_parser_reads_grammar("llama3_json");
}

}  // namespace
}  // namespace ember
