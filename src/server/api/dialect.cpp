// SPDX-License-Identifier: Apache-2.0
#include "api/dialect.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace ember {

namespace {

using Writer = std::unique_ptr<AnswerWriter>;

Result<Generation> prepare(const ServedModel& model, Result<ChatRequest> request) {
  return request.ok() ? prepare_chat(model, std::move(request).value()) : request.error();
}

OpenAiDetails details_of(const GenerationParams& params) {
  return {.include_usage = params.include_usage,
          .continuous_usage_stats = params.continuous_usage_stats,
          .return_token_ids = params.return_token_ids,
          .num_logprobs = params.num_logprobs,
          .prompt_logprobs = params.prompt_logprobs};
}

Result<Generation> prepare_openai_chat(const ServedModel& model, const ParamLimits& limits,
                                       const Json& body) {
  return prepare(model, parse_chat(body, model.info, limits));
}
Writer chat_writer(const AnswerName& name, const Tokenizer& tokenizer, const Json&,
                   Generation& generation) {
  return make_chat_writer(name, tokenizer, details_of(generation.params),
                          std::move(generation.prompts.front()));
}

Result<Generation> prepare_openai_completion(const ServedModel& model, const ParamLimits& limits,
                                             const Json& body) {
  Result<CompletionRequest> request = parse_completion(body, model.info, limits);
  if (!request.ok()) return request.error();
  return prepare_completion(model, std::move(request).value());
}
Writer completion_writer(const AnswerName& name, const Tokenizer& tokenizer, const Json&,
                         Generation& generation) {
  const size_t choices = generation.num_choices();
  return make_completion_writer(
      name, tokenizer, details_of(generation.params), std::move(generation.prompts), choices,
      {std::move(generation.echo), generation.params.skip_special_tokens});
}

Result<Generation> prepare_messages(const ServedModel& model, const ParamLimits& limits,
                                    const Json& body) {
  return prepare(model, parse_messages_request(body, model.info, limits));
}
Writer messages_writer(const AnswerName& name, const Tokenizer&, const Json&, Generation&) {
  return make_messages_writer(name);
}

Result<Generation> prepare_responses(const ServedModel& model, const ParamLimits& limits,
                                     const Json& body) {
  return prepare(model, parse_responses_request(body, model.info, limits));
}

// The number that people wrote, not the float's own digits: 0.9, not 0.8999999761581421.
double decimal(float value) { return std::stod(fmt::format("{}", value)); }

// What a response repeats of its request, with the defaults of what was not asked for.
Json repeated_fields(const Json& body, const GenerationParams& params) {
  Json fields = {{"instructions", nullptr},
                 {"max_output_tokens", nullptr},
                 {"metadata", Json::object()},
                 {"parallel_tool_calls", true},
                 {"text", {{"format", {{"type", "text"}}}}},
                 {"tool_choice", "auto"},
                 {"tools", Json::array()},
                 {"user", nullptr}};
  for (const auto& [name, value] : fields.items())
    if (const auto given = body.find(name); given != body.end() && !given->is_null())
      value = *given;
  fields["temperature"] = decimal(params.sampling.temperature);
  fields["top_p"] = decimal(params.sampling.top_p);
  return fields;
}
Writer responses_writer(const AnswerName& name, const Tokenizer&, const Json& body,
                        Generation& generation) {
  return make_responses_writer(name, repeated_fields(body, generation.params));
}

}  // namespace

const Dialect kChatDialect = {"chatcmpl-", prepare_openai_chat, chat_writer};
const Dialect kCompletionDialect = {"cmpl-", prepare_openai_completion, completion_writer};
const Dialect kMessagesDialect = {"msg_", prepare_messages, messages_writer};
const Dialect kResponsesDialect = {"resp_", prepare_responses, responses_writer};

}  // namespace ember
