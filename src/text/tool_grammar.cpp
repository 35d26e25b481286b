// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_grammar.h"

#include <fmt/format.h>

#include "dialects/grammar_rules.h"
#include "dialects/harmony.h"

namespace ember {

namespace {

// Arguments are an object, whatever the schema says of its type.
std::string arguments_schema(const ToolFunction& function) {
  using Json = nlohmann::ordered_json;
  Json schema = function.parameters.is_object() ? function.parameters : Json::object();
  if (!schema.contains("type") && !schema.contains("$ref")) schema["type"] = "object";
  return schema.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

GrammarSource tool_grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer) {
  GrammarSource source{GrammarKind::kLark, ""};
  for (const ToolFunction& function : spec.functions) {
    source.schemas.push_back(arguments_schema(function));
    source.places.list.push_back({function.field, function.name});
  }
  lark::define_arguments(source.text, spec.functions.size());
  const std::string start = spec.dialect->grammar(spec, tokenizer, source);
  source.text = fmt::format("start: {}\n{}", start, source.text);
  return source;
}

GrammarSource after_reasoning(GrammarSource answer, const std::string& end,
                              const Tokenizer& tokenizer) {
  std::string rules = lark::terminal("SPACE", lark::kSpace);
  const std::string reasoning = lark::text_until(rules, tokenizer, end);
  answer.before = fmt::format("start: {} SPACE @answer\n{}", reasoning, rules);
  return answer;
}

GrammarSource in_final_channel(GrammarSource answer, bool open, const Tokenizer& tokenizer) {
  std::string rules;
  const std::string head = harmony_final(tokenizer, rules, open);
  answer.before = fmt::format("start: {} @answer\n{}", head, rules);
  return answer;
}

}  // namespace ember
