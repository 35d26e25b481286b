// SPDX-License-Identifier: Apache-2.0
// Functions with parameters of every kind, for the dialects that write one argument after another.
#pragma once

#include <algorithm>
#include <string>

#include "text/tool_calls.h"

namespace ember::test {

inline size_t num_characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

inline const Json kMany = Json::parse(R"({
  "type": "object",
  "properties": {
    "s": {"type": "string"},
    "n": {"type": "integer"},
    "b": {"type": "boolean"},
    "o": {"type": ["object", "array"]},
    "opt": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null}
  }
})");

inline Options tagged_options(const std::string& dialect, bool constrained) {
  Options how = options(dialect, constrained);
  how.parameters = {kMany, kMany, nullptr};
  return how;
}

// What is read, however the text is cut, and the same with arguments that go out as they come.
inline Parsed tagged(const std::string& text, const std::string& dialect) {
  const Parsed whole = parse(text, tagged_options(dialect, false)),
               constrained = parse(text, tagged_options(dialect, true));
  EXPECT_EQ(without_ids(whole), without_ids(constrained)) << text;
  for (const bool bound : {false, true})
    for (size_t cut = 0; cut <= text.size(); ++cut)
      EXPECT_EQ(parse({text.substr(0, cut), text.substr(cut)}, tagged_options(dialect, bound)),
                bound ? constrained : whole)
          << "cut at " << cut << " of " << text;
  return without_ids(whole);
}

// Schemas that are awkward to write value by value, each with a check of what comes out.
struct Awkward {
  const char* schema;
  bool (*valid)(const Json& arguments);
};

inline const Awkward kAwkward[] = {
    {R"({"type":"object","properties":{"e":{"enum":["a b","c\"<d>"]},"l":{"type":"string","minLength":2,"maxLength":4}},"required":["e","l"]})",
     [](const Json& a) {
       const auto length = num_characters(a["l"].get<std::string>());
       return (a["e"] == "a b" || a["e"] == "c\"<d>") && length >= 2 && length <= 4;
     }},
    {R"({"type":"object","properties":{"o":{"anyOf":[{"type":"string","maxLength":3},{"type":"null"},{"type":"object","properties":{"x":{"type":"boolean"}},"required":["x"],"additionalProperties":false}]}},"required":["o"]})",
     [](const Json& a) {
       const Json& o = a["o"];
       return o.is_null() || (o.is_string() && num_characters(o.get<std::string>()) <= 3) ||
              (o.is_object() && o["x"].is_boolean() && o.size() == 1);
     }},
    {R"({"$ref":"#/$defs/top","$defs":{"top":{"type":"object","properties":{"t":{"$ref":"#/$defs/tree"},"c":{"$ref":"#/$defs/color"}},"required":["c","t"]},"color":{"enum":["red",1,null]},"tree":{"type":"array","maxItems":1,"items":{"$ref":"#/$defs/color"}}}})",
     [](const Json& a) {
       const auto color = [](const Json& c) { return c == "red" || c == 1 || c.is_null(); };
       return color(a["c"]) && a["t"].is_array() && a["t"].size() <= 1 &&
              (a["t"].empty() || color(a["t"][0]));
     }},
    {R"({"type":"object","properties":{"p":{"type":"string","pattern":"^[a-f]{2}$"},"q":{"type":["integer","string"],"maxLength":2,"minimum":3}},"required":["p","q"]})",
     [](const Json& a) {
       const auto p = a["p"].get<std::string>();
       const bool number = a["q"].is_number() && a["q"].get<double>() >= 3;
       return p.size() == 2 && p.find_first_not_of("abcdef") == std::string::npos &&
              (number || (a["q"].is_string() && num_characters(a["q"].get<std::string>()) <= 2));
     }},
    {R"({"anyOf":[{"type":"object","properties":{"x":{"type":"integer","minimum":0,"maximum":9}},"required":["x"]},{"type":"object","properties":{"y":{"type":"boolean"}},"required":["y"]}]})",
     [](const Json& a) {
       return a.size() == 1 && (a.contains("x") ? a["x"].is_number_integer() : a["y"].is_boolean());
     }},
    {R"({"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"boolean"},"c":{"type":"boolean"}},"minProperties":2,"maxProperties":2,"required":["c"]})",
     [](const Json& a) { return a.size() == 2 && a.contains("c"); }}};

// Random answers that a grammar allows are calls whose arguments are valid, and no text.
inline void expect_valid_arguments(const std::string& dialect) {
  const uint64_t seed = 20260303;
  std::mt19937_64 rng(seed);
  for (const Awkward& awkward : kAwkward) {
    const Json schema = Json::parse(awkward.schema);
    SCOPED_TRACE(awkward.schema);
    const ToolGrammarSpec spec{.dialect = tool_dialect_by_name(dialect),
                               .functions = {{"f", schema}},
                               .required = true,
                               .parallel = false};
    const auto grammar = compiler().compile(tool_grammar(spec, demo()), "tools");
    ASSERT_TRUE(grammar.ok()) << grammar.error().message;
    int finished = 0;
    for (int i = 0; i < 12; ++i) {
      const auto text = random_walk(*grammar.value(), demo(), demo_eos(), 400, rng);
      if (!text) continue;
      ++finished;
      for (const bool constrained : {false, true}) {
        const Parsed parsed = parse(*text, Options{.dialect = spec.dialect,
                                                   .functions = {"f"},
                                                   .parameters = {schema},
                                                   .constrained = constrained});
        ASSERT_EQ(parsed.calls.size(), 1u) << *text;
        EXPECT_EQ(parsed.content, "") << *text;
        const Json arguments = Json::parse(parsed.calls[0].second, nullptr, false);
        ASSERT_TRUE(arguments.is_object()) << parsed.calls[0].second;
        EXPECT_TRUE(awkward.valid(arguments)) << *text << "\n" << arguments;
      }
    }
    EXPECT_GT(finished, 5) << "seed " << seed;
  }
}

}  // namespace ember::test
