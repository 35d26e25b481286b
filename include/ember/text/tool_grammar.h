// SPDX-License-Identifier: Apache-2.0
// Grammars of answers that call functions, and of those that come after reasoning.
#pragma once

#include <string>
#include <vector>

#include "ember/text/grammar.h"
#include "ember/text/tokenizer.h"
#include "ember/text/tool_dialect.h"

namespace ember {

struct ToolGrammarSpec {
  const ToolDialect* dialect = nullptr;  // never null
  std::vector<ToolFunction> functions;   // those that may be called, at least one
  bool required =
      false;  // at least one call and no text; otherwise the text is free until a call begins
  bool parallel = true;  // several calls; false: at most one
};

// Allows what ToolParser of the same dialect reads as calls with arguments by their schema, and
// free text where calls are not required. What begins a call belongs to the grammar: from there on
// nothing but a call can follow. Whether the schemas can be honoured shows when it is compiled.
GrammarSource tool_grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer);

// The answer as the harmony dialect's final message, perhaps after an analysis. open: it begins
// inside the analysis.
GrammarSource in_final_channel(GrammarSource answer, bool open, const Tokenizer& tokenizer);

// Free text up to and including `end`, perhaps white space, then the answer.
GrammarSource after_reasoning(GrammarSource answer, const std::string& end,
                              const Tokenizer& tokenizer);

}  // namespace ember
