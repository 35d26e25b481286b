// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_grammar.h"

#include <gtest/gtest.h>

#include "ember/text/tool_parser.h"
#include "text/fixtures.h"
#include "text/grammar_walk.h"

namespace ember {
namespace {

using test::Json;

int32_t demo_eos() { return *test::demo().token_to_id(test::demo().eos_token()); }

GrammarCompiler& compiler() {
  static const std::unique_ptr<GrammarCompiler> made =
      GrammarCompiler::create(test::demo(), {demo_eos()}).value();
  return *made;
}

const Json kWeather = Json::parse(
    R"({"type":"object","properties":{"city":{"type":"string","maxLength":8}},"required":["city"],"additionalProperties":false})");
const Json kAdd = Json::parse(
    R"({"$defs":{"n":{"type":"integer","minimum":0,"maximum":99}},"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}},"required":["a","b"],"additionalProperties":false})");

ToolGrammarSpec spec_of(ToolDialect dialect, bool required, bool parallel = true) {
  return {.dialect = dialect,
          .functions = {{"get_weather", kWeather}, {"add", kAdd}, {"noop", nullptr}},
          .required = required,
          .parallel = parallel};
}

bool accepts(const ToolGrammarSpec& spec, const std::string& text) {
  const auto grammar = compiler().compile(tool_grammar(spec, test::demo()), "tools");
  EXPECT_TRUE(grammar.ok()) << grammar.error().message;
  return grammar.ok() && test::accepts(*grammar.value(), test::demo(), text, demo_eos());
}

struct Case {
  ToolDialect dialect;
  std::string one, two, wrong_arguments, wrong_name, text;
};

const std::vector<Case> kCases = {
    {ToolDialect::kLlama3, R"({"name": "add", "parameters": {"a": 1, "b": 2}})",
     R"({"name": "add", "parameters": {"a": 1, "b": 2}}; {"name": "get_weather", "parameters": {"city": "Rome"}})",
     R"({"name": "add", "parameters": {"a": 1, "b": 200}})",
     R"({"name": "sub", "parameters": {"a": 1, "b": 2}})", "It is 3. {ok}"},
    {ToolDialect::kHermes,
     "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call>",
     "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": "
     "2}}\n</tool_call>\n<tool_call>{\"name\": \"noop\", \"arguments\": {}}</tool_call>",
     "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>",
     "<tool_call>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_call>",
     "It is <b>3</b>, {\"name\": 1}"},
    {ToolDialect::kGlm4, "add\n{\"a\": 1, \"b\": 2}", "", "add\n{\"a\": 1, \"b\": 200}", "",
     "add 3 to it\n{\"a\": 1}"},
    {ToolDialect::kMistral, R"([TOOL_CALLS][{"name": "add", "arguments": {"a": 1, "b": 2}}])",
     R"([TOOL_CALLS] [{"name": "add", "arguments": {"a": 1, "b": 2}}, {"name": "noop", "arguments": {"x": [1]}}])",
     R"([TOOL_CALLS][{"name": "add", "arguments": {"a": "1", "b": 2}}])",
     R"([TOOL_CALLS][{"name": "sub", "arguments": {}}])", "[1] is a list"},
};

TEST(ToolGrammar, RequiredIsCallsAndNothingElse) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(tool_dialect_name(c.dialect));
    const ToolGrammarSpec spec = spec_of(c.dialect, true);
    EXPECT_TRUE(accepts(spec, c.one));
    if (!c.two.empty()) {
      EXPECT_TRUE(accepts(spec, c.two));
      EXPECT_FALSE(accepts(spec_of(c.dialect, true, false), c.two));
    }
    EXPECT_TRUE(accepts(spec_of(c.dialect, true, false), c.one));
    EXPECT_FALSE(accepts(spec, c.wrong_arguments));
    if (!c.wrong_name.empty()) {
      EXPECT_FALSE(accepts(spec, c.wrong_name));
    }
    EXPECT_FALSE(accepts(spec, c.text));
    EXPECT_FALSE(accepts(spec, c.one + "x"));
    EXPECT_FALSE(accepts(spec, ""));
  }
}

TEST(ToolGrammar, OtherwiseTextIsFreeUntilACallBegins) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(tool_dialect_name(c.dialect));
    const ToolGrammarSpec spec = spec_of(c.dialect, false);
    EXPECT_TRUE(accepts(spec, c.text));
    EXPECT_TRUE(accepts(spec, "Hello.\n\n\u00c9t\u00e9 {1} <2> [3]"));
    EXPECT_TRUE(accepts(spec, c.one));
    EXPECT_FALSE(accepts(spec, c.wrong_arguments));
    const bool after_text = c.dialect == ToolDialect::kHermes || c.dialect == ToolDialect::kMistral;
    if (after_text) {
      EXPECT_TRUE(accepts(spec, "I will look. " + c.two));
      EXPECT_FALSE(accepts(spec, "I will look. " + c.wrong_arguments));
      EXPECT_FALSE(accepts(spec, c.wrong_name));
    }
  }
}

TEST(ToolGrammar, ReasoningComesFirst) {
  const ToolGrammarSpec spec = spec_of(ToolDialect::kHermes, true);
  const std::vector<std::pair<GrammarSource, std::string>> answers = {
      {tool_grammar(spec, test::demo()), kCases[1].one},
      {{GrammarKind::kJsonSchema, kAdd.dump()}, R"({"a":1,"b":2})"},
      {{GrammarKind::kRegex, "[a-z]{3}"}, "yes"},
      {{GrammarKind::kLark, "start: \"yes\" | \"no\""}, "no"}};
  // A marker of several tokens, and one of a single special token.
  for (const std::string end : {"</think>", "<|eom_id|>"}) {
    for (const auto& [source, answer] : answers) {
      SCOPED_TRACE(end + " " + answer);
      const auto grammar = compiler().compile(after_reasoning(source, end, test::demo()), "format");
      ASSERT_TRUE(grammar.ok()) << grammar.error().message;
      const auto accepts = [&](const std::string& text) {
        return test::accepts(*grammar.value(), test::demo(), text, demo_eos());
      };
      EXPECT_TRUE(accepts("I need a sum {1}." + end + "\n\n" + answer));
      EXPECT_TRUE(accepts(end + answer));
      EXPECT_FALSE(accepts(answer));
      EXPECT_FALSE(accepts("I need a sum."));
      EXPECT_FALSE(accepts("I need a sum." + end));
      EXPECT_FALSE(accepts("I need a sum." + end + "\nIt is 3."));
      EXPECT_FALSE(accepts("I need a sum." + end + answer + "x"));
    }
  }
}

// The grammar and the parser are two views of the same thing: whatever can be generated is read as
// calls by the schemas.
TEST(ToolGrammar, TheParserReadsWhatTheGrammarAllows) {
  const uint64_t seed = 20260202;
  std::mt19937_64 rng(seed);
  for (const Case& c : kCases) {
    SCOPED_TRACE(tool_dialect_name(c.dialect));
    ToolGrammarSpec spec = spec_of(c.dialect, true, false);
    spec.functions.pop_back();  // any object at all may go on for long
    const auto grammar = compiler().compile(tool_grammar(spec, test::demo()), "tools").value();
    int finished = 0;
    for (int i = 0; i < 20; ++i) {
      const std::optional<std::string> text =
          test::random_walk(*grammar, test::demo(), demo_eos(), 500, rng);
      if (!text) continue;
      ++finished;
      ToolParser parser(
          {.dialect = c.dialect, .functions = {"get_weather", "add"}, .constrained = true});
      std::string name, arguments;
      const auto read = [&](const ToolParser::Output& out) {
        EXPECT_EQ(out.content, "") << *text;
        for (const ToolCallDelta& delta : out.calls) {
          name += delta.name;
          arguments += delta.arguments;
        }
      };
      read(parser.push(*text));
      read(parser.finish());
      const Json json = Json::parse(arguments, nullptr, false);
      ASSERT_TRUE(json.is_object()) << *text << " seed " << seed;
      EXPECT_TRUE((name == "add" && json["a"].is_number_integer()) ||
                  (name == "get_weather" && json["city"].is_string()))
          << *text;
    }
    EXPECT_GT(finished, 10) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ember
