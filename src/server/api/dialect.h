// SPDX-License-Identifier: Apache-2.0
// The APIs that generate: how each reads a request and writes the answer. A source for each.
#pragma once

#include <memory>
#include <string>

#include "api/answer_writer.h"
#include "api/generation.h"
#include "ember/base/result.h"

namespace ember {

struct Dialect {
  std::string id_prefix;  // of answers
  // Reads a body and makes what it asks for ready.
  Result<Generation> (*prepare)(const ServedModel& model, const ParamLimits& limits,
                                const Json& body);
  // The writer may take prompts and echo out of `generation`.
  std::unique_ptr<AnswerWriter> (*make_writer)(const AnswerName& name, const Tokenizer& tokenizer,
                                               const Json& body, Generation& generation);
};

extern const Dialect kChatDialect, kCompletionDialect;     // OpenAI's, with vLLM's fields
extern const Dialect kMessagesDialect, kResponsesDialect;  // Anthropic's; OpenAI's

}  // namespace ember
