// SPDX-License-Identifier: Apache-2.0
// OpenAI's chat completions, with vLLM's fields.
#include <utility>

#include "api/dialect.h"

namespace ember {

namespace {

Result<Generation> prepare(const ServedModel& model, const ParamLimits& limits, const Json& body) {
  Result<ChatRequest> request = parse_chat(body, model.info, limits);
  if (!request.ok()) return request.error();
  return prepare_chat(model, std::move(request).value());
}

std::unique_ptr<AnswerWriter> make_writer(const AnswerName& name, const Tokenizer& tokenizer,
                                          const Json&, Generation& generation) {
  return make_chat_writer(name, tokenizer, generation.params,
                          std::move(generation.prompts.front()));
}

}  // namespace

const Dialect kChatDialect = {"chatcmpl-", prepare, make_writer};

}  // namespace ember
