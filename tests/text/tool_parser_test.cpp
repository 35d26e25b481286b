// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_parser.h"

#include <gmock/gmock.h>

#include <random>

#include "text/tool_calls.h"

namespace ember {
namespace {

using test::call;
using test::options;
using test::parse;
using test::Parsed;
using test::without_ids;

TEST(ToolParser, Ids) {
  const Parsed two = parse("f\n{}\nf\n{}", options("glm4"));
  ASSERT_EQ(two.ids.size(), 2u);
  EXPECT_THAT(two.ids[0], testing::MatchesRegex("call_[0-9a-f]+"));
  EXPECT_NE(two.ids[0], two.ids[1]);
}

TEST(ToolParser, NotParallel) {
  test::Options one = options("llama3_json");
  one.parallel = false;
  const std::string two =
      R"({"name": "f", "parameters": {"a": 1}}{"name": "noop", "parameters": {"b": 2}})";
  EXPECT_EQ(without_ids(parse(two, one)), call("f", R"({"a":1})"));
  one.constrained = true;
  EXPECT_EQ(without_ids(parse(two, one)), call("f", R"({"a": 1})"));
}

// Pieces of the texts of some dialects.
struct Fragments {
  std::vector<std::string> dialects, texts;
};

const std::vector<std::string> kCommonFragments = {
    "\n",
    " ",
    "{",
    "}",
    "[",
    "]",
    ",",
    ";",
    "\"",
    "\\",
    "f",
    "noop",
    "get_weather",
    "{}",
    "word",
    "{\"city\": \"K\xC3\xB6ln\"}",
    "{\"name\": \"f\", \"arguments\": {\"a\": [1, {}]}}"};

const std::vector<Fragments> kFragments = {
    {{"llama3_json", "hermes", "mistral", "glm4"},
     {"<tool_call>", "</tool_call>", "{\"name\": \"f\", \"arguments\": {\"a\": [1, {}]}}",
      "{\"name\": \"noop\", \"parameters\": {\"s\": \"} \\\" ]\"}}", "{\"name\": \"get_weather\"",
      ", \"arguments\": {}}", "{\"arguments\": {}, \"name\": \"f\"}", "[TOOL_CALLS]", "[ARGS]",
      "[CALL_ID]x", "f\n", "<|python_tag|>", "<tool", "{\"name\": \"g\", \"arguments\": {}}"}},
    {{"qwen3_coder", "seed_oss"},
     {"<tool_call>", "</tool_call>", "<seed:tool_call>\n<function=f>", "</seed:tool_call>",
      "<tool_call>\n<function=f>\n", "<function=noop>", "<function=g>", "</function>",
      "<parameter=s>\n", "<parameter=n>7", "\n</parameter>\n", "</parameter>", "<parameter",
      "</function>\n</tool_call>", "<tool", "<func"}},
    {{"glm45"},
     {"<tool_call>", "</tool_call>", "<tool_call>f", "<tool_call>noop\n", "<arg_key>s</arg_key>",
      "<arg_key>n</arg_key>\n", "<arg_value>", "</arg_value>", "</arg_value>\n",
      "<arg_value>7</arg_value>", "<arg", "</tool"}},
    {{"deepseek_v31", "deepseek_v3"},
     {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
      "<｜tool▁call▁end｜>", "<｜tool▁sep｜>", "function", "f<｜tool▁sep｜>{}",
      "function<｜tool▁sep｜>f\n```json\n{}", "\n```",
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", "<｜tool", "g"}},
    {{"harmony"},
     {"<|channel|>", "analysis", "final", "<|message|>", "<|end|>", "<|start|>assistant",
      "<|call|>", "commentary to=functions.f ", "<|constrain|>json", " to=functions.noop",
      "<|channel|>final<|message|>", "<|channel|>commentary to=functions.f<|message|>{}", "<|mess",
      "to="}}};

// The class of texts: fragments of every dialect, well formed and not, cut anywhere.
TEST(ToolParser, AnySplitGivesTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const auto any = [&](const auto& list) -> const auto& { return list[rng() % list.size()]; };
  int calls = 0, both = 0;
  for (int i = 0; i < 100000; ++i) {
    const Fragments& family = any(kFragments);
    std::string text;
    for (uint64_t n = rng() % 9; n > 0; --n)
      text += rng() % 3 == 0 ? any(kCommonFragments) : any(family.texts);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, 1 + rng() % 5));
      at += pieces.back().size();
    }
    test::Options how = options(any(family.dialects), rng() % 2 == 0);
    how.parallel = rng() % 4 != 0;
    how.parameters = {
        {{"properties", {{"s", {{"type", "string"}}}, {"n", {{"type", "integer"}}}}}}};
    const Parsed whole = parse(text, how);
    ASSERT_EQ(parse(pieces, how), whole)
        << how.dialect->name << how.constrained << how.parallel << " " << text;
    for (const auto& [name, arguments] : whole.calls)
      ASSERT_TRUE(how.constrained || test::Json::parse(arguments).is_object()) << text;
    calls += static_cast<int>(whole.calls.size());
    both += !whole.calls.empty() && !whole.content.empty() ? 1 : 0;
  }
  EXPECT_GT(calls, 1000);
  EXPECT_GT(both, 100);
}

TEST(ToolParser, EveryDialectIsTried) {
  std::vector<std::string> tried;
  for (const Fragments& family : kFragments)
    tried.insert(tried.end(), family.dialects.begin(), family.dialects.end());
  EXPECT_THAT(tried, testing::UnorderedElementsAreArray(tool_dialect_names()));
}

}  // namespace
}  // namespace ember
