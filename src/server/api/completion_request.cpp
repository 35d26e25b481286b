// SPDX-License-Identifier: Apache-2.0
// docs: OpenAI's completions, and vLLM's fields beyond them
#include "api/completion_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "api/openai_params.h"

namespace ember {

namespace {

using Prompt = CompletionRequest::Prompt;

constexpr size_t kMaxPrompts = 64;
constexpr int kMaxSequences = 64;  // n times prompts

Result<Prompt> read_prompt(const Json& prompt, int32_t vocab_size) {
  if (prompt.is_string()) return Prompt(prompt.get<std::string>());
  if (!prompt.is_array() || prompt.empty())
    return invalid(
        "prompt",
        "prompt must be text, a list of token ids that is not empty, or a list of those.");
  std::vector<int32_t> ids;
  for (const Json& item : prompt) {
    const std::optional<int32_t> id = as_token_id(item, vocab_size);
    if (!id)
      return invalid("prompt",
                     fmt::format("prompt must hold token ids from 0 to {}.", vocab_size - 1),
                     item.is_number() ? "invalid_value" : "invalid_type");
    ids.push_back(*id);
  }
  return Prompt(std::move(ids));
}

Result<std::vector<Prompt>> read_prompts(FieldReader& fields, int32_t vocab_size) {
  const Json* prompt = fields.value("prompt");
  if (prompt == nullptr) return invalid("prompt", "prompt is missing.", "invalid_type");
  if (!prompt->is_string() && !prompt->is_array())
    return invalid("prompt",
                   fmt::format("prompt must be a string or a list, not {}.", type_name(*prompt)),
                   "invalid_type");
  const bool several = prompt->is_array() && !prompt->empty() && !prompt->front().is_number();
  if (several && prompt->size() > kMaxPrompts)
    return invalid("prompt", fmt::format("prompt must hold at most {} prompts.", kMaxPrompts));
  std::vector<Prompt> prompts;
  const Json single = several ? Json() : Json::array({*prompt});
  for (const Json& item : several ? *prompt : single) {
    Result<Prompt> read = read_prompt(item, vocab_size);
    if (!read.ok()) return read.error();
    prompts.push_back(std::move(read).value());
    if (prompts.back().index() != prompts.front().index())
      return invalid("prompt", "prompt must hold either texts or lists of token ids, not both.",
                     "invalid_type");
  }
  return prompts;
}

}  // namespace

Result<CompletionRequest> parse_completion(const Json& body, const ModelInfo& model,
                                           const ParamLimits& limits) {
  FieldReader fields(body);
  CompletionRequest request;
  GenerationParams& params = request.params;
  // It may ask for nothing but the log probabilities of its prompt.
  read_max_tokens(fields, "max_tokens", 0, params);
  read_openai_params(fields, model, limits, params);
  params.num_logprobs = static_cast<int32_t>(fields.integer("logprobs", 0, kMaxLogprobs, -1));
  request.echo = fields.boolean("echo", false);
  request.add_special_tokens = fields.boolean("add_special_tokens", true);
  if (params.max_tokens == 0 && !request.echo && !params.prompt_logprobs)
    fields.fail("max_tokens",
                "must be at least 1, unless echo or prompt_logprobs asks for the prompt.");
  if (!fields.ok()) return fields.error();
  Result<std::vector<Prompt>> prompts = read_prompts(fields, model.vocab_size);
  if (!prompts.ok()) return prompts.error();
  request.prompts = std::move(prompts).value();
  if (static_cast<int>(request.prompts.size()) * params.n > kMaxSequences)
    return invalid("n",
                   fmt::format("n times the number of prompts must be at most {}.", kMaxSequences));
  count_fields(fields, params);
  return request;
}

}  // namespace ember
