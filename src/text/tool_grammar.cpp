// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_grammar.h"

#include <fmt/format.h>

#include "dialects/grammar_rules.h"
#include "dialects/harmony.h"

namespace ember {

GrammarSource tool_grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer) {
  std::string rules;
  lark::define_arguments(rules, spec.functions);
  const std::string start = spec.dialect->grammar(spec, tokenizer, rules);
  return {GrammarKind::kLark, fmt::format("start: {}\n{}", start, rules)};
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
