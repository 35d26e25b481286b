// SPDX-License-Identifier: Apache-2.0
#include "api/openai_params.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ember {

namespace {

void read_stream_options(FieldReader& fields, GenerationParams& params) {
  const Json* options = fields.value("stream_options");
  if (options == nullptr) return;
  if (!options->is_object())
    return fields.fail("stream_options", "must be an object.", "invalid_type");
  if (!params.stream) return fields.fail("stream_options", "is only possible with stream: true.");
  FieldReader inner(*options, "stream_options.");
  params.include_usage = inner.boolean("include_usage", false);
  params.continuous_usage_stats = inner.boolean("continuous_usage_stats", false);
  if (!inner.ok()) fields.fail("stream_options", inner.error().message, inner.error().code);
}

std::vector<int32_t> read_allowed_tokens(FieldReader& fields, int32_t vocab_size) {
  std::vector<int32_t> ids =
      fields.ids("allowed_token_ids", static_cast<size_t>(vocab_size), vocab_size);
  if (fields.has("allowed_token_ids") && ids.empty())
    fields.fail("allowed_token_ids", "must hold at least one token id.");
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// What other servers, or later versions, act upon: to ignore it would be to answer another
// question.
void refuse_unsupported(FieldReader& fields) {
  refuse_fields(fields,
                {"prompt_embeds", "kv_transfer_params", "lora", "lora_request", "logits_processors",
                 "chat_template", "functions", "function_call", "audio", "truncate_prompt_tokens",
                 "grammar", "json_schema", "mirostat", "length_penalty", "web_search_options"});
  const auto only = [&](const char* name, const Json& harmless) {
    const Json* value = fields.value(name);
    if (value != nullptr && *value != harmless)
      fields.fail(name, fmt::format("is not supported (only {}).", harmless.dump()),
                  "unsupported_parameter");
  };
  only("best_of", 1);
  only("suffix", "");
  only("use_beam_search", false);
  only("modalities", Json::array({"text"}));
  only("store", false);
}

}  // namespace

void read_openai_params(FieldReader& fields, const ModelInfo& model, const ParamLimits& limits,
                        GenerationParams& params) {
  read_params(fields, model, limits, params);
  read_stream_options(fields, params);
  params.n = static_cast<int>(fields.integer("n", 1, limits.max_n, 1));
  params.sampling.allowed_token_ids = read_allowed_tokens(fields, model.vocab_size);
  read_stop(fields, "stop", params);
  params.include_stop_str_in_output = fields.boolean("include_stop_str_in_output", false);
  params.format = read_output_format(fields);
  if (fields.has("prompt_logprobs"))
    params.prompt_logprobs =
        static_cast<int32_t>(fields.integer("prompt_logprobs", 0, kMaxLogprobs, 0));
  if (params.prompt_logprobs && params.stream)
    fields.fail("prompt_logprobs", "is not possible in a stream.");
  params.skip_special_tokens = fields.boolean("skip_special_tokens", true);
  params.return_token_ids = fields.boolean("return_token_ids", false);
  check_annotations(fields);
  ignore_service_hints(fields);
  for (const char* name : {"prediction", "verbosity"}) fields.ignore(name);
  refuse_unsupported(fields);
}

}  // namespace ember
