// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_parser.h"

#include <gmock/gmock.h>

#include <random>

#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;
using Options = ToolParser::Options;

struct Parsed {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls;  // name and arguments
  std::vector<std::string> ids;
  size_t num_pieces = 0;
  bool operator==(const Parsed& other) const {
    return content == other.content && calls == other.calls && ids == other.ids;
  }
};

void PrintTo(const Parsed& parsed, std::ostream* out) {
  *out << "content \"" << parsed.content << '"';
  for (const auto& [name, arguments] : parsed.calls) *out << " call " << name << ' ' << arguments;
}

Parsed parse(const std::vector<std::string>& pieces, const Options& options) {
  ToolParser parser(options);
  Parsed all;
  const auto add = [&](const ToolParser::Output& out) {
    all.content += out.content;
    for (const ToolCallDelta& delta : out.calls) {
      ++all.num_pieces;
      EXPECT_EQ(delta.id.empty(), delta.name.empty());
      if (!delta.name.empty()) {
        EXPECT_EQ(static_cast<size_t>(delta.index), all.calls.size());
        all.calls.emplace_back(delta.name, "");
        all.ids.push_back(delta.id);
      }
      ASSERT_EQ(static_cast<size_t>(delta.index) + 1, all.calls.size());
      all.calls.back().second += delta.arguments;
    }
  };
  for (const std::string& piece : pieces) add(parser.push(piece));
  add(parser.finish());
  return all;
}

Options options(ToolDialect dialect, bool constrained = false) {
  return {.dialect = dialect,
          .functions = {"f", "get_weather", "noop"},
          .constrained = constrained,
          .id_seed = 7};
}

Parsed parse(const std::string& text, const Options& how) { return parse(std::vector{text}, how); }
Parsed parse(const std::string& text, ToolDialect dialect) {
  const Parsed whole = parse(text, options(dialect)),
               constrained = parse(text, options(dialect, true));
  EXPECT_EQ(whole.calls.size(), constrained.calls.size()) << text;
  for (size_t i = 0; i < std::min(whole.calls.size(), constrained.calls.size()); ++i)
    EXPECT_EQ(Json::parse(whole.calls[i].second), Json::parse(constrained.calls[i].second));
  return whole;
}

Parsed call(const std::string& name, const std::string& arguments,
            const std::string& content = {}) {
  return {content, {{name, arguments}}, {}};
}
Parsed without_ids(Parsed parsed) {
  parsed.ids.clear();
  return parsed;
}

TEST(ToolParser, Llama) {
  const auto is = [](const std::string& text) {
    return without_ids(parse(text, ToolDialect::kLlama3));
  };
  EXPECT_EQ(is(R"({"name": "f", "parameters": {"a": 1}})"), call("f", R"({"a":1})"));
  EXPECT_EQ(is("\n <|python_tag|> {\"name\": \"f\", \"parameters\": {}}\n"), call("f", "{}"));
  EXPECT_EQ(is(R"({"name": "f", "arguments": {"a": "}{\"\\"}})"), call("f", R"({"a":"}{\"\\"})"));
  const Parsed two{"", {{"f", "{}"}, {"noop", R"({"x":[{}]})"}}, {}};
  for (const std::string separator : {"\n", "; ", ";", " , "})
    EXPECT_EQ(is(R"({"name": "f", "parameters": {}})" + separator +
                 R"({"name": "noop", "parameters": {"x": [{}]}})"),
              two);
}

TEST(ToolParser, LlamaAnswersInWordsAndJson) {
  for (const std::string text :
       {"Hello.", " Hello {", R"({"answer": 5})", R"({"name": "Bob", "age": 5})",
        R"({"name": "unknown", "parameters": {}})", R"(Call {"name": "f", "parameters": {}})",
        R"({"name": "f", "parameters": 5})", "{", R"({"name": "f", "parameters": {"a")",
        "<|python"})
    EXPECT_EQ(without_ids(parse(text, options(ToolDialect::kLlama3))), (Parsed{text, {}, {}}));
}

TEST(ToolParser, Hermes) {
  const auto is = [](const std::string& text) {
    return without_ids(parse(text, ToolDialect::kHermes));
  };
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

TEST(ToolParser, HermesMalformed) {
  for (const std::string text :
       {"a <tool_call>", "<tool_call>{\"name\": \"f\", \"arguments\": {",
        "<tool_call>\nf()\n</tool_call>", "<tool_call>{'name': 'f'}</tool_call>",
        "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>", " <tool",
        "<tool_call>{\"name\": \"f\", \"arguments\": {]}}</tool_call>"})
    EXPECT_EQ(without_ids(parse(text, options(ToolDialect::kHermes))), (Parsed{text, {}, {}}));
  const std::string f = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  EXPECT_EQ(without_ids(parse("<tool_call>x" + f, options(ToolDialect::kHermes))),
            call("f", "{}", "<tool_call>x"));
}

TEST(ToolParser, OrderOfKeysAndDoubleEncoding) {
  const auto is = [](const std::string& text) {
    return without_ids(parse(text, options(ToolDialect::kHermes)));
  };
  EXPECT_EQ(is(R"(<tool_call>{"arguments": {"b": 1, "a": 2}, "name": "f"}</tool_call>)"),
            call("f", R"({"b":1,"a":2})"));
  EXPECT_EQ(is(R"(<tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>)"),
            call("f", R"({"a":1})"));
}

TEST(ToolParser, Glm) {
  const auto is = [](const std::string& text) {
    return without_ids(parse(text, ToolDialect::kGlm4));
  };
  EXPECT_EQ(is("get_weather\n{\"city\": \"Köln\"}"), call("get_weather", "{\"city\": \"Köln\"}"));
  EXPECT_EQ(is("f\n{}\nnoop\n{}"), (Parsed{"", {{"f", "{}"}, {"noop", "{}"}}, {}}));
  EXPECT_EQ(is("\nHello\nf\n{}"), (Parsed{"Hello\nf\n{}", {}, {}}));
  EXPECT_EQ(is("fine\n{}"), (Parsed{"fine\n{}", {}, {}}));
  EXPECT_EQ(is("f"), (Parsed{"f", {}, {}}));
  EXPECT_EQ(is("f\nof x"), (Parsed{"f\nof x", {}, {}}));
}

TEST(ToolParser, Mistral) {
  const auto is = [](const std::string& text) {
    return without_ids(parse(text, ToolDialect::kMistral));
  };
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

TEST(ToolParser, Ids) {
  const Parsed hermes = parse("f\n{}\nf\n{}", options(ToolDialect::kGlm4));
  ASSERT_EQ(hermes.ids.size(), 2u);
  EXPECT_THAT(hermes.ids[0], testing::MatchesRegex("call_[0-9a-f]+"));
  EXPECT_NE(hermes.ids[0], hermes.ids[1]);
  EXPECT_THAT(parse("[TOOL_CALLS]f{}", options(ToolDialect::kMistral)).ids[0],
              testing::MatchesRegex("[0-9A-Za-z]{9}"));
}

TEST(ToolParser, NotParallel) {
  Options one = options(ToolDialect::kLlama3);
  one.parallel = false;
  const std::string two =
      R"({"name": "f", "parameters": {"a": 1}}{"name": "noop", "parameters": {"b": 2}})";
  EXPECT_EQ(without_ids(parse(two, one)), call("f", R"({"a":1})"));
  one.constrained = true;
  EXPECT_EQ(without_ids(parse(two, one)), call("f", R"({"a": 1})"));
}

TEST(ToolParser, ConstrainedArgumentsGoOutAsTheyCome) {
  ToolParser parser(options(ToolDialect::kLlama3, true));
  EXPECT_TRUE(parser.push(R"({"name": "f", "param)").calls.empty());
  auto out = parser.push(R"(eters": {"a)");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].name, "f");
  EXPECT_EQ(out.calls[0].arguments, R"({"a)");
  out = parser.push("\": \"}");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].name, "");
  EXPECT_EQ(out.calls[0].arguments, "\": \"}");
  out = parser.push("\"}}");
  EXPECT_EQ(out.calls.at(0).arguments, "\"}");
  out = parser.finish();
  EXPECT_TRUE(out.content.empty() && out.calls.empty());
}

TEST(ToolParser, CutOffWhenConstrained) {
  const Parsed parsed =
      parse(R"({"name": "f", "parameters": {"a": [1, )", options(ToolDialect::kLlama3, true));
  EXPECT_EQ(without_ids(parsed), call("f", R"({"a": [1, )"));
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
  int calls = 0, both = 0;
  for (int i = 0; i < 60000; ++i) {
    std::string text;
    for (uint64_t n = rng() % 9; n > 0; --n) text += fragments[rng() % fragments.size()];
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, 1 + rng() % 5));
      at += pieces.back().size();
    }
    Options how =
        options(tool_dialect_by_name(tool_dialect_names()[rng() % 4]).value(), rng() % 2 == 0);
    how.parallel = rng() % 4 != 0;
    const Parsed whole = parse(text, how);
    ASSERT_EQ(parse(pieces, how), whole)
        << tool_dialect_name(how.dialect) << how.constrained << how.parallel << " " << text;
    for (const auto& [name, arguments] : whole.calls)
      ASSERT_TRUE(how.constrained || Json::parse(arguments).is_object()) << text;
    calls += static_cast<int>(whole.calls.size());
    both += !whole.calls.empty() && !whole.content.empty() ? 1 : 0;
  }
  EXPECT_GT(calls, 1000);
  EXPECT_GT(both, 100);
}

}  // namespace
}  // namespace ember
