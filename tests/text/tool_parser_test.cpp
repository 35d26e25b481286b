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

// The class of texts: fragments of every dialect, well formed and not, cut anywhere.
TEST(ToolParser, AnySplitGivesTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const std::vector<std::string> fragments = {
      "<tool_call>",
      "</tool_call>",
      "\n",
      " ",
      "{\"name\": \"f\", \"arguments\": {\"a\": [1, {}]}}",
      "{\"name\": \"noop\", \"parameters\": {\"s\": \"} \\\" ]\"}}",
      "{\"name\": \"get_weather\"",
      ", \"arguments\": {}}",
      "{\"arguments\": {}, \"name\": \"f\"}",
      "{",
      "}",
      "[",
      "]",
      ",",
      ";",
      "\"",
      "[TOOL_CALLS]",
      "[ARGS]",
      "[CALL_ID]x",
      "f",
      "noop",
      "get_weather",
      "f\n",
      "{}",
      "{\"city\": \"K\xC3\xB6ln\"}",
      "word",
      "<|python_tag|>",
      "<tool",
      "\\",
      "{\"name\": \"g\", \"arguments\": {}}"};
  const std::vector<std::string> names = tool_dialect_names();
  int calls = 0, both = 0;
  for (int i = 0; i < 60000; ++i) {
    std::string text;
    for (uint64_t n = rng() % 9; n > 0; --n) text += fragments[rng() % fragments.size()];
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, 1 + rng() % 5));
      at += pieces.back().size();
    }
    test::Options how = options(names[rng() % names.size()], rng() % 2 == 0);
    how.parallel = rng() % 4 != 0;
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

}  // namespace
}  // namespace ember
