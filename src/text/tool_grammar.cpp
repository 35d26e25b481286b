// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_grammar.h"

#include <fmt/format.h>

#include <optional>

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

// White space as JSON has it, bounded like that of schemas. The s flag lets a dot be any character.
constexpr const char* kSpace = "[ \\t\\r\\n]{0,40}";
constexpr const char* kAny = "(?s:.*)";

// `text` inside a regular expression: letters, digits and _ as they are.
std::string escaped(std::string_view text) {
  std::string regex;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(b) != 0 || c == '_' || b >= 0x80;
    regex += plain ? std::string(1, c) : fmt::format("\\x{:02X}", b);
  }
  return regex;
}

std::string terminal(const std::string& name, const std::string& regex) {
  return fmt::format("{}: /{}/\n", name, regex);
}

std::string literal(std::string_view text) { return Json(text).dump(); }

// A marker as one special token, where the tokenizer has it as one: no text can be mistaken for it.
std::optional<std::string> special(const Tokenizer& tokenizer, std::string_view marker) {
  const std::optional<int32_t> id = tokenizer.token_to_id(marker);
  if (!id || !tokenizer.is_special(*id)) return std::nullopt;
  return fmt::format("<[{}]>", *id);
}

// Any text in which `marker` does not occur, then the marker.
std::string text_until(std::string& rules, const Tokenizer& tokenizer, const std::string& marker) {
  if (const auto token = special(tokenizer, marker)) {
    rules += terminal("HEAD_TEXT", kAny);
    return "HEAD_TEXT " + *token;
  }
  rules += fmt::format("head[lazy]: /{}{}/\n", kAny, escaped(marker));
  return "head";
}

// Any text in which `marker` does not occur.
void define_text_without(std::string& rules, const Tokenizer& tokenizer,
                         const std::string& marker) {
  if (special(tokenizer, marker))
    rules += terminal("TEXT", kAny);
  else
    rules += fmt::format("TEXT: /{0}/ & ~/{0}{1}{0}/\n", kAny, escaped(marker));
}

// A rule args_i for each function. The schema stands alone, so that references inside it keep their
// meaning.
void define_arguments(std::string& rules, const std::vector<ToolFunction>& functions) {
  for (size_t i = 0; i < functions.size(); ++i) {
    Json schema = functions[i].parameters.is_object() ? functions[i].parameters : Json::object();
    if (!schema.contains("type") && !schema.contains("$ref")) schema["type"] = "object";
    schema["x-guidance"] = {{"whitespace_pattern", "[\\x20\\x0A\\x0D\\x09]{1,40}"}};
    rules += fmt::format("args_{}: %json {}\n", i,
                         schema.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

// {"name": "f", KEY: {...}} of any of the functions, as rule `object` without its first part, which
// `begin` names: up to "name".
std::string object_rest(const std::vector<ToolFunction>& functions, const std::string& key) {
  std::string rule;
  for (size_t i = 0; i < functions.size(); ++i) {
    const std::string middle = fmt::format("{0}:{0}\\x22{1}\\x22{0},{0}\\x22{2}\\x22{0}:{0}",
                                           kSpace, escaped(functions[i].name), key);
    rule += fmt::format("{}/{}/ args_{} /{}\\x7D/", i == 0 ? "" : " | ", middle, i, kSpace);
  }
  return "object_rest: " + rule + "\n";
}

std::string list_of(const std::string& item, const std::string& separator, bool several) {
  return several ? fmt::format("{0} ({1} {0})*", item, separator) : item;
}

// Calls between markers, anywhere after some text.
std::string hermes(const ToolGrammarSpec& spec, const Tokenizer& tokenizer, std::string& rules) {
  const std::string open = "<tool_call>", close = "</tool_call>";
  const std::string opening = special(tokenizer, open).value_or(literal(open));
  const std::string closing = special(tokenizer, close).value_or(literal(close));
  rules += object_rest(spec.functions, "arguments");
  rules += fmt::format("OBJECT_BEGIN: /{0}\\x7B{0}\\x22name\\x22/\n", kSpace);
  rules += fmt::format("SPACE: /{}/\n", kSpace);
  rules += fmt::format("body: OBJECT_BEGIN object_rest SPACE {}\n", closing);
  const std::string more = spec.parallel ? fmt::format(" (SPACE {} body)*", opening) : "";
  if (spec.required) return fmt::format("SPACE {} body{}", opening, more);
  define_text_without(rules, tokenizer, open);
  return fmt::format("TEXT | {} body{}", text_until(rules, tokenizer, open), more);
}

// A list of calls after a marker, perhaps after some text.
std::string mistral(const ToolGrammarSpec& spec, const Tokenizer& tokenizer, std::string& rules) {
  const std::string marker = "[TOOL_CALLS]";
  rules += object_rest(spec.functions, "arguments");
  rules += fmt::format("OBJECT_BEGIN: /\\x7B{}\\x22name\\x22/\n", kSpace);
  rules += terminal("LIST_BEGIN", fmt::format("{0}\\x5B{0}", kSpace));
  rules += terminal("COMMA", fmt::format("{0},{0}", kSpace));
  rules += terminal("LIST_END", fmt::format("{}\\x5D", kSpace));
  rules += "object: OBJECT_BEGIN object_rest\n";
  rules += fmt::format("list: LIST_BEGIN {} LIST_END\n", list_of("object", "COMMA", spec.parallel));
  if (spec.required) return special(tokenizer, marker).value_or(literal(marker)) + " list";
  define_text_without(rules, tokenizer, marker);
  return fmt::format("TEXT | {} list", text_until(rules, tokenizer, marker));
}

// The whole answer is calls, or none of it. A text must not begin as a call does.
std::string llama3(const ToolGrammarSpec& spec, const Tokenizer& tokenizer, std::string& rules) {
  const std::string begin = fmt::format("{0}\\x7B{0}\\x22name\\x22", kSpace);
  const std::string separator = fmt::format("{0}[;\\n]{0}\\x7B{0}\\x22name\\x22", kSpace);
  rules += object_rest(spec.functions, "parameters");
  rules += terminal("OBJECT_BEGIN", begin);
  rules += terminal("NEXT_BEGIN", separator);
  std::string calls = "OBJECT_BEGIN object_rest";
  if (spec.parallel) calls += " (NEXT_BEGIN object_rest)*";
  const std::optional<std::string> marker = special(tokenizer, "<|python_tag|>");
  rules += fmt::format("calls: {}\n", calls);
  std::string start = "calls";
  if (marker) start += fmt::format(" | {} calls", *marker);
  if (spec.required) return start;
  rules += fmt::format("TEXT: /{0}/ & ~/{1}{0}/\n", kAny, begin);
  return "TEXT | " + start;
}

// A function's name, a new line and its arguments are the whole answer.
std::string glm4(const ToolGrammarSpec& spec, std::string& rules) {
  std::string calls, names;
  for (size_t i = 0; i < spec.functions.size(); ++i) {
    const std::string& name = spec.functions[i].name;
    calls += fmt::format("{}{} args_{}", i == 0 ? "" : " | ", literal(name + "\n"), i);
    names += fmt::format("{}{}", i == 0 ? "" : "|", escaped(name));
  }
  if (spec.required) return calls;
  rules += fmt::format("TEXT: /{0}/ & ~/({1})\\n{0}/\n", kAny, names);
  return "TEXT | " + calls;
}

}  // namespace

GrammarSource tool_grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer) {
  std::string rules, answer;
  define_arguments(rules, spec.functions);
  switch (spec.dialect) {
    case ToolDialect::kLlama3:
      answer = llama3(spec, tokenizer, rules);
      break;
    case ToolDialect::kHermes:
      answer = hermes(spec, tokenizer, rules);
      break;
    case ToolDialect::kGlm4:
      answer = glm4(spec, rules);
      break;
    case ToolDialect::kMistral:
      answer = mistral(spec, tokenizer, rules);
      break;
  }
  return {GrammarKind::kLark, fmt::format("start: {}\n{}", answer, rules)};
}

GrammarSource after_reasoning(GrammarSource answer, const std::string& end,
                              const Tokenizer& tokenizer) {
  std::string rules = terminal("SPACE", kSpace);
  const std::string reasoning = text_until(rules, tokenizer, end);
  answer.before = fmt::format("start: {} SPACE @answer\n{}", reasoning, rules);
  return answer;
}

}  // namespace ember
