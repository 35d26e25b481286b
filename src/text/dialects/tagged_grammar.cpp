// SPDX-License-Identifier: Apache-2.0
// Grammars of tagged calls. Within a call the line breaks are those of the templates.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dialects/grammar_rules.h"
#include "dialects/parameters.h"
#include "dialects/tagged_calls.h"
#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kNumber = "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+\\-]?[0-9]+)?";

std::string alternatives(const std::vector<std::string>& of) {
  return fmt::format("{}", fmt::join(of, " | "));
}

// A schema's pattern as a regular expression for all of the text: there, it may match anywhere.
std::string whole_pattern(const std::string& pattern) {
  std::string regex;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool escape = pattern[i] == '\\' && i + 1 < pattern.size();
    if (escape) ++i;
    if (pattern[i] == '/')
      regex += "\\x2F";
    else if (pattern[i] == '\n')
      regex += "\\n";
    else
      regex += escape ? std::string{'\\', pattern[i]} : std::string(1, pattern[i]);
  }
  const bool begins = regex.starts_with('^');
  if (begins) regex.erase(0, 1);
  const bool ends = regex.ends_with('$') && !regex.ends_with("\\$");
  if (ends) regex.pop_back();
  return fmt::format("{}({}){}", begins ? "" : "(?s:.*)", regex, ends ? "" : "(?s:.*)");
}

// The texts of one schema of strings, as a terminal's expression. Formats say nothing here.
std::string string_expression(const Json& schema) {
  if (schema.contains("enum")) {
    std::vector<std::string> values;
    for (const Json& value : schema["enum"])
      values.push_back(lark::escaped(value.get<std::string>()));
    return fmt::format("/({})/", fmt::join(values, "|"));
  }
  std::string expression = fmt::format("/{}/", lark::kAny);
  if (schema.contains("pattern") && schema["pattern"].is_string())
    expression = fmt::format("/{}/", whole_pattern(schema["pattern"].get<std::string>()));
  const auto limit = [&](const char* key) {
    return schema.contains(key) && schema[key].is_number_unsigned() ? schema[key].dump() : "";
  };
  const std::string least = limit("minLength"), most = limit("maxLength");
  if (least.empty() && most.empty()) return expression;
  return fmt::format("{} & /(?s:.{{{},{}}})/", expression, least.empty() ? "0" : least, most);
}

class Builder {
 public:
  Builder(const CallTags& tags, const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
          GrammarSource& source)
      : tags_(tags), spec_(spec), tokenizer_(tokenizer), source_(source), rules_(source.text) {}

  std::string start() {
    rules_ += lark::terminal("SPACE", lark::kSpace) + "NL: /\\n?/\n";
    std::vector<std::string> calls;
    for (const ToolFunction& function : spec_.functions) calls.push_back(call(function));
    rules_ += fmt::format("body: NL ({}) {}\n", alternatives(calls), tag(tags_.close));
    const std::string open = tag(tags_.open);
    const std::string more = spec_.parallel ? fmt::format(" (SPACE {} body)*", open) : "";
    if (spec_.required) return fmt::format("SPACE {} body{}", open, more);
    const std::string marker(tags_.open);
    lark::define_text_without(rules_, tokenizer_, marker);
    return fmt::format("TEXT | {} body{}", lark::text_until(rules_, tokenizer_, marker), more);
  }

 private:
  // A tag as a token of its own or as text.
  std::string tag(std::string_view text) const {
    return lark::special(tokenizer_, text).value_or(lark::literal(text));
  }

  std::string name() { return fmt::format("tagged_{}", next_++); }

  // From the name to what ends the call inside the outer tags.
  std::string call(const ToolFunction& function) {
    std::vector<std::string> lists;
    for (const std::vector<Parameter>& list : parameter_lists(function.parameters)) {
      std::string all;
      for (const Parameter& one : list)
        all += fmt::format(" {}{}", parameter(one, function), one.required ? "" : "?");
      lists.push_back(all.empty() ? " NL" : all);
    }
    const std::string rule = name();
    const std::string end = tags_.call_end.empty() ? "" : lark::literal(tags_.call_end) + " NL";
    rules_ += fmt::format(
        "{}: {} NL ({}) {}\n", rule,
        lark::literal(fmt::format("{}{}{}", tags_.name_begin, function.name, tags_.name_end)),
        alternatives(lists), end);
    return rule;
  }

  std::string parameter(const Parameter& parameter, const ToolFunction& function) {
    std::string key = fmt::format("{} {} {}", tag(tags_.key_begin), lark::literal(parameter.name),
                                  tag(tags_.key_end));
    if (!tags_.value_begin.empty()) key += " NL " + tag(tags_.value_begin);
    if (tags_.value_lines) key += " \"\\n\"";
    const std::string rule = name();
    const std::string value = value_rule(parameter, function);
    rules_ += fmt::format("{}: {} {} NL\n", rule, key, value);
    return rule;
  }

  // The value and the tag that ends it.
  std::string value_rule(const Parameter& parameter, const ToolFunction& function) {
    const ValueTypes types = value_types(parameter.schema, function.parameters);
    const SchemaPlaces::Place place{fmt::format("{}.properties.{}", function.field, parameter.name),
                                    function.name};
    const auto json = [&](const Json& schema) {
      return json_rule(standing_alone(schema, function.parameters), place);
    };
    if (!types.string) return json(parameter.schema);
    std::string rule = text_rule(types);
    if (types.structures.empty()) return rule;
    return fmt::format("({} | {})", rule, json({{"anyOf", types.structures}}));
  }

  std::string json_rule(const Json& schema, const SchemaPlaces::Place& place) {
    const std::string rule = name();
    rules_ += fmt::format("{}: @schema_{}\n", rule, source_.schemas.size());
    source_.schemas.push_back(schema.dump(-1, ' ', false, Json::error_handler_t::replace));
    source_.places.list.push_back(place);
    return fmt::format("{} {}{}", rule, tags_.value_lines ? "\"\\n\" " : "", tag(tags_.value_end));
  }

  // Strings, and the other values that stand in the same texts. What begins as an object or a list
  // is left to the schemas of those.
  std::string text_rule(const ValueTypes& types) {
    std::vector<std::string> texts;
    for (const Json& schema : types.strings)
      texts.push_back(fmt::format("({})", string_expression(schema)));
    if ((types.others & ValueTypes::kNull) != 0) texts.emplace_back("/null/");
    if ((types.others & ValueTypes::kBoolean) != 0) texts.emplace_back("/true|false/");
    if ((types.others & ValueTypes::kNumber) != 0)
      texts.push_back(fmt::format("/{}/", kNumber));
    else if ((types.others & ValueTypes::kInteger) != 0)
      texts.emplace_back("/-?(0|[1-9][0-9]*)/");
    std::string text = fmt::format("({})", alternatives(texts));
    if (!types.structures.empty())
      text = fmt::format("({} & ~/[ \\t\\r\\n]*[\\x7B\\x5B](?s:.*)/)", text);
    return ended_text(text);
  }

  std::string ended_text(const std::string& text) {
    const int number = next_++;
    const std::string line = tags_.value_lines ? "\\n" : "";
    if (const auto token = lark::special(tokenizer_, tags_.value_end)) {
      rules_ += fmt::format("VALUE_{}: {} /{}/\n", number, text, line);
      return fmt::format("VALUE_{} {}", number, *token);
    }
    const std::string end = lark::escaped(tags_.value_end);
    rules_ +=
        fmt::format("VALUE_{0}: ({1} /{2}{3}/) & ~/(?s:.*){3}(?s:.+)/\n", number, text, line, end);
    rules_ += fmt::format("value_{0}[lazy]: VALUE_{0}\n", number);
    return fmt::format("value_{}", number);
  }

  const CallTags& tags_;
  const ToolGrammarSpec& spec_;
  const Tokenizer& tokenizer_;
  GrammarSource& source_;
  std::string& rules_;  // of source_
  int next_ = 0;        // number of the next rule
};

}  // namespace

std::string tagged_grammar(const CallTags& tags, const ToolGrammarSpec& spec,
                           const Tokenizer& tokenizer, GrammarSource& source) {
  return Builder(tags, spec, tokenizer, source).start();
}

}  // namespace ember
