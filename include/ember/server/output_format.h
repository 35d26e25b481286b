// SPDX-License-Identifier: Apache-2.0
// The format that a request binds its answer to.
#pragma once

#include <optional>
#include <string>

#include "ember/server/json_reader.h"
#include "ember/text/grammar.h"

namespace ember {

struct OutputFormat {
  GrammarSource source;
  std::string field;  // by which it was asked for
};

// Reads OpenAI's response_format, vLLM's structured_outputs and its older guided_json,
// guided_regex, guided_choice and guided_grammar, which exclude each other. nullopt: the answer is
// free. Whether a source can be honoured shows when it is compiled.
std::optional<OutputFormat> read_output_format(FieldReader& fields);

}  // namespace ember
