// SPDX-License-Identifier: Apache-2.0
// Tools, their grammars and what a parser makes of a text, for the tests of all dialects.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ember/text/grammar.h"
#include "ember/text/tool_grammar.h"
#include "ember/text/tool_parser.h"
#include "text/fixtures.h"
#include "text/grammar_walk.h"

namespace ember::test {

using Options = ToolParser::Options;

// All that a parser gives for one answer.
struct Parsed {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls;  // name and arguments
  std::vector<std::string> ids;
  size_t num_pieces = 0;
  std::string reasoning = {};  // of a dialect with channels
  bool operator==(const Parsed& other) const {
    return content == other.content && calls == other.calls && ids == other.ids &&
           reasoning == other.reasoning;
  }
};

inline void PrintTo(const Parsed& parsed, std::ostream* out) {
  *out << "content \"" << parsed.content << '"';
  for (const auto& [name, arguments] : parsed.calls) *out << " call " << name << ' ' << arguments;
}

inline Parsed parse(const std::vector<std::string>& pieces, const Options& options) {
  ToolParser parser(options);
  Parsed all;
  const auto add = [&](const ToolParser::Output& out) {
    all.content += out.content;
    all.reasoning += out.reasoning;
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

inline Options options(const std::string& dialect, bool constrained = false) {
  return {.dialect = tool_dialect_by_name(dialect),
          .functions = {"f", "get_weather", "noop"},
          .constrained = constrained,
          .id_seed = 7};
}

inline Parsed parse(const std::string& text, const Options& how) {
  return parse(std::vector{text}, how);
}
// Equal calls, whether the arguments go out whole or as they come.
inline Parsed parse(const std::string& text, const std::string& dialect) {
  const Parsed whole = parse(text, options(dialect)),
               constrained = parse(text, options(dialect, true));
  EXPECT_EQ(whole.calls.size(), constrained.calls.size()) << text;
  for (size_t i = 0; i < std::min(whole.calls.size(), constrained.calls.size()); ++i)
    EXPECT_EQ(Json::parse(whole.calls[i].second), Json::parse(constrained.calls[i].second));
  return whole;
}

inline Parsed call(const std::string& name, const std::string& arguments,
                   const std::string& content = {}) {
  return {content, {{name, arguments}}, {}};
}
inline Parsed without_ids(Parsed parsed) {
  parsed.ids.clear();
  return parsed;
}

inline int32_t demo_eos() { return *demo().token_to_id(demo().eos_token()); }

inline GrammarCompiler& compiler() {
  static const std::unique_ptr<GrammarCompiler> made =
      GrammarCompiler::create(demo(), {demo_eos()}).value();
  return *made;
}

inline const Json kWeather = Json::parse(
    R"({"type":"object","properties":{"city":{"type":"string","maxLength":8}},"required":["city"],"additionalProperties":false})");
inline const Json kAdd = Json::parse(
    R"({"$defs":{"n":{"type":"integer","minimum":0,"maximum":99}},"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}},"required":["a","b"],"additionalProperties":false})");

inline ToolGrammarSpec spec_of(const std::string& dialect, bool required, bool parallel = true) {
  return {.dialect = tool_dialect_by_name(dialect),
          .functions = {{"get_weather", kWeather}, {"add", kAdd}, {"noop", nullptr}},
          .required = required,
          .parallel = parallel};
}

inline bool accepts(const ToolGrammarSpec& spec, const std::string& text) {
  const auto grammar = compiler().compile(tool_grammar(spec, demo()), "tools");
  EXPECT_TRUE(grammar.ok()) << grammar.error().message;
  return grammar.ok() && accepts(*grammar.value(), demo(), text, demo_eos());
}

// Texts of one dialect, and what its grammar shall make of them. The functions are spec_of()'s.
struct GrammarCase {
  std::string dialect;
  std::string one, two;                     // calls; two is empty where that is not possible
  std::string wrong_arguments, wrong_name;  // against the schema, of no known function
  std::string text;                         // no call
  bool after_text = false;                  // calls may follow text
};

inline void expect_grammar_of(const GrammarCase& c) {
  const ToolGrammarSpec required = spec_of(c.dialect, true), possible = spec_of(c.dialect, false);
  const ToolGrammarSpec required_one = spec_of(c.dialect, true, false);
  EXPECT_TRUE(accepts(required, c.one));
  EXPECT_TRUE(accepts(required_one, c.one));
  if (!c.two.empty()) {
    EXPECT_TRUE(accepts(required, c.two));
    EXPECT_FALSE(accepts(required_one, c.two));
  }
  EXPECT_FALSE(accepts(required, c.wrong_arguments));
  if (!c.wrong_name.empty()) {
    EXPECT_FALSE(accepts(required, c.wrong_name));
  }
  EXPECT_FALSE(accepts(required, c.text));
  EXPECT_FALSE(accepts(required, c.one + "x"));
  EXPECT_FALSE(accepts(required, ""));

  EXPECT_TRUE(accepts(possible, c.text));
  EXPECT_TRUE(accepts(possible, "Hello.\n\n\u00c9t\u00e9 {1} <2> [3]"));
  EXPECT_TRUE(accepts(possible, c.one));
  EXPECT_FALSE(accepts(possible, c.wrong_arguments));
  if (c.after_text) {
    EXPECT_TRUE(accepts(possible, "I will look. " + c.two));
    EXPECT_FALSE(accepts(possible, "I will look. " + c.wrong_arguments));
    EXPECT_FALSE(accepts(possible, c.wrong_name));
  }
}

// The grammar and the parser are two views of the same thing: whatever can be generated is read as
// calls by the schemas.
inline void expect_parser_reads_grammar(const std::string& dialect, int least = 11) {
  const uint64_t seed = 20260202;
  std::mt19937_64 rng(seed);
  ToolGrammarSpec spec = spec_of(dialect, true, false);
  spec.functions.pop_back();  // any object at all may go on for long
  const auto grammar = compiler().compile(tool_grammar(spec, demo()), "tools").value();
  int finished = 0;
  for (int i = 0; i < 20; ++i) {
    const std::optional<std::string> text = random_walk(*grammar, demo(), demo_eos(), 500, rng);
    if (!text) continue;
    ++finished;
    ToolParser parser({.dialect = tool_dialect_by_name(dialect),
                       .functions = {"get_weather", "add"},
                       .parameters = {kWeather, kAdd},
                       .constrained = true});
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
  EXPECT_GE(finished, least) << "seed " << seed;
}

}  // namespace ember::test
