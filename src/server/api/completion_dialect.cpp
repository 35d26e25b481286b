// SPDX-License-Identifier: Apache-2.0
// OpenAI's completions, with vLLM's fields.
#include <utility>

#include "api/dialect.h"

namespace ember {

namespace {

Result<Generation> prepare(const ServedModel& model, const ParamLimits& limits, const Json& body) {
  Result<CompletionRequest> request = parse_completion(body, model.info, limits);
  if (!request.ok()) return request.error();
  return prepare_completion(model, std::move(request).value());
}

std::unique_ptr<AnswerWriter> make_writer(const AnswerName& name, const Tokenizer& tokenizer,
                                          const Json&, Generation& generation) {
  const size_t choices = generation.num_choices();
  return make_completion_writer(
      name, tokenizer, generation.params, std::move(generation.prompts), choices,
      {std::move(generation.echo), generation.params.skip_special_tokens});
}

}  // namespace

const Dialect kCompletionDialect = {"cmpl-", prepare, make_writer};

}  // namespace ember
