// SPDX-License-Identifier: Apache-2.0
// The format that a request binds its answer to.
#pragma once

#include <optional>
#include <string>

#include "ember/base/result.h"
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

// The parts of a format; errors name the field at `field` and what is inside it.
// {"name", "schema", "strict"}: an object by a schema.
Result<GrammarSource> named_schema_source(const Json& format, const std::string& field);
// A schema as an object, as true or false, or as text of one.
Result<GrammarSource> schema_source(const Json& schema, const std::string& field);
GrammarSource any_object_source();
// A format whose type is none of text, json_object and json_schema.
Error unknown_format(const std::string& field);

}  // namespace ember
