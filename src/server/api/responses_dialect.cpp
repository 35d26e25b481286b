// SPDX-License-Identifier: Apache-2.0
// OpenAI's Responses.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "api/dialect.h"

namespace ember {

namespace {

Result<Generation> prepare(const ServedModel& model, const ParamLimits& limits, const Json& body) {
  Result<ChatRequest> request = parse_responses_request(body, model.info, limits);
  if (!request.ok()) return request.error();
  return prepare_chat(model, std::move(request).value());
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

std::unique_ptr<AnswerWriter> make_writer(const AnswerName& name, const Tokenizer&,
                                          const Json& body, Generation& generation) {
  return make_responses_writer(name, repeated_fields(body, generation.params));
}

}  // namespace

const Dialect kResponsesDialect = {"resp_", prepare, make_writer};

}  // namespace ember
