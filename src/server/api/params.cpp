// SPDX-License-Identifier: Apache-2.0
#include "ember/server/params.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "api/messages.h"

namespace ember {

namespace {

constexpr size_t kMaxStops = 4, kMaxStopBytes = 1024, kMaxBias = 1024, kMaxBadWords = 64,
                 kMaxIds = 1024, kMaxSaltBytes = 1024, kMaxModelBytes = 16 << 20;
constexpr int kMaxLogprobs = 20;
constexpr size_t kMaxPrompts = 64;
constexpr int kMaxSequences = 64;  // n times prompts

void read_stream(FieldReader& fields, GenerationParams& params) {
  params.stream = fields.boolean("stream", false);
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

void read_stop(FieldReader& fields, GenerationParams& params) {
  const Json* stop = fields.value("stop");
  if (stop == nullptr) return;
  if (!stop->is_string() && !stop->is_array())
    return fields.fail(
        "stop", fmt::format("must be a string or a list of strings, not {}.", type_name(*stop)),
        "invalid_type");
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  if (list.size() > kMaxStops)
    return fields.fail("stop", fmt::format("must hold at most {} strings.", kMaxStops));
  for (const Json& item : list) {
    if (!item.is_string())
      return fields.fail("stop", "must be a string or a list of strings.", "invalid_type");
    const auto text = item.get<std::string>();
    if (text.empty() || text.size() > kMaxStopBytes)
      return fields.fail("stop", fmt::format("must hold strings of 1 to {} bytes.", kMaxStopBytes));
    params.stop.push_back(text);
  }
}

void read_bad_words(FieldReader& fields, GenerationParams& params) {
  const Json* words = fields.value("bad_words");
  if (words == nullptr) return;
  if (!words->is_array())
    return fields.fail("bad_words",
                       fmt::format("must be a list of strings, not {}.", type_name(*words)),
                       "invalid_type");
  if (words->size() > kMaxBadWords)
    return fields.fail("bad_words", fmt::format("must hold at most {} strings.", kMaxBadWords));
  for (const Json& word : *words) {
    if (!word.is_string())
      return fields.fail("bad_words", "must be a list of strings.", "invalid_type");
    params.bad_words.push_back(word.get<std::string>());
    if (params.bad_words.back().empty() || params.bad_words.back().size() > kMaxStopBytes)
      return fields.fail("bad_words",
                         fmt::format("must hold strings of 1 to {} bytes.", kMaxStopBytes));
  }
}

void read_bias(FieldReader& fields, GenerationParams& params, int32_t vocab_size) {
  const Json* bias = fields.value("logit_bias");
  if (bias == nullptr) return;
  const std::string expected = fmt::format(
      "must map token ids from 0 to {} to numbers from -100 to 100, at most {} of them.",
      vocab_size - 1, kMaxBias);
  if (!bias->is_object()) return fields.fail("logit_bias", expected, "invalid_value");
  if (bias->size() > kMaxBias) return fields.fail("logit_bias", expected);
  for (const auto& [key, value] : bias->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool is_id = error == std::errc{} && end == key.data() + key.size() && id >= 0 &&
                       id < vocab_size && key[0] != '-';
    if (!is_id || !value.is_number() || !(std::abs(value.get<double>()) <= 100))
      return fields.fail("logit_bias", expected);
    params.sampling.logit_bias.emplace_back(id, value.get<float>());
  }
  std::sort(params.sampling.logit_bias.begin(), params.sampling.logit_bias.end());
}

void read_sampling(FieldReader& fields, GenerationParams& params, const ModelInfo& model) {
  SamplingParams& s = params.sampling;
  const auto read = [&](const char* name, double low, double high, double otherwise) {
    return static_cast<float>(fields.number(name, low, high, otherwise));
  };
  s.temperature = read("temperature", 0, 2, model.temperature.value_or(1.0f));
  s.top_p = read("top_p", 0, 1, model.top_p.value_or(1.0f));
  if (s.top_p <= 0) fields.fail("top_p", "must be above 0 and at most 1.");
  s.top_k = static_cast<int32_t>(fields.integer("top_k", -1, INT32_MAX, model.top_k.value_or(0)));
  if (s.top_k < 0 || s.top_k >= model.vocab_size) s.top_k = 0;
  s.min_p = read("min_p", 0, 1, model.min_p.value_or(0.0f));
  s.presence_penalty = read("presence_penalty", -2, 2, 0);
  s.frequency_penalty = read("frequency_penalty", -2, 2, 0);
  s.repetition_penalty = read("repetition_penalty", 0, 10, model.repetition_penalty.value_or(1.0f));
  if (s.repetition_penalty <= 0)
    fields.fail("repetition_penalty", "must be above 0 and at most 10.");
  s.allowed_token_ids =
      fields.ids("allowed_token_ids", static_cast<size_t>(model.vocab_size), model.vocab_size);
  if (fields.has("allowed_token_ids") && s.allowed_token_ids.empty())
    fields.fail("allowed_token_ids", "must hold at least one token id.");
  std::sort(s.allowed_token_ids.begin(), s.allowed_token_ids.end());
  s.allowed_token_ids.erase(std::unique(s.allowed_token_ids.begin(), s.allowed_token_ids.end()),
                            s.allowed_token_ids.end());
  read_bias(fields, params, model.vocab_size);
  if (fields.has("seed")) params.seed = fields.integer("seed", INT64_MIN, INT64_MAX, 0);
}

void read_lengths(FieldReader& fields, GenerationParams& params, const ModelInfo& model,
                  bool chat) {
  // A completion may ask for nothing but the log probabilities of its prompt.
  const int64_t least = chat ? 1 : 0;
  if (fields.has("max_tokens"))
    params.max_tokens = static_cast<int32_t>(fields.integer("max_tokens", least, INT32_MAX, 1));
  if (chat && fields.has("max_completion_tokens")) {  // the newer name wins
    params.max_tokens_field = "max_completion_tokens";
    params.max_tokens =
        static_cast<int32_t>(fields.integer("max_completion_tokens", least, INT32_MAX, 1));
  }
  params.min_tokens = static_cast<int32_t>(fields.integer("min_tokens", 0, model.max_model_len, 0));
  if (params.max_tokens && params.min_tokens > *params.max_tokens)
    fields.fail("min_tokens", fmt::format("must not be above max_tokens {}.", *params.max_tokens));
}

// Fields that other servers, or later versions, act upon: to ignore them would be to answer another
// question.
void refuse_unsupported(FieldReader& fields) {
  static constexpr const char* kNever[] = {"prompt_embeds",
                                           "kv_transfer_params",
                                           "lora",
                                           "lora_request",
                                           "logits_processors",
                                           "chat_template",
                                           "functions",
                                           "function_call",
                                           "audio",
                                           "prediction",
                                           "truncate_prompt_tokens",
                                           "grammar",
                                           "json_schema",
                                           "mirostat",
                                           "length_penalty",
                                           "web_search_options"};
  for (const char* name : kNever)
    if (fields.has(name)) fields.fail(name, "is not supported.", "unsupported_parameter");
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
}

// Accepted as OpenAI has them, and not used.
void check_annotations(FieldReader& fields) {
  fields.text("user", 1024, "");
  const Json* metadata = fields.value("metadata");
  if (metadata == nullptr) return;
  if (!metadata->is_object() || metadata->size() > 16)
    return fields.fail("metadata", "must be an object of at most 16 strings.");
  for (const auto& [key, value] : metadata->items())
    if (key.size() > 64 || !value.is_string() || value.get_ref<const std::string&>().size() > 512)
      return fields.fail("metadata",
                         "must map keys of at most 64 bytes to strings of at most 512.");
}

void read_common(FieldReader& fields, GenerationParams& params, const ModelInfo& model,
                 const ParamLimits& limits, bool chat) {
  params.model = fields.text("model", kMaxModelBytes, "");
  if (fields.has("model") && fields.ok() && params.model.empty())
    fields.fail("model", "must not be empty.");
  read_stream(fields, params);
  params.n = static_cast<int>(fields.integer("n", 1, limits.max_n, 1));
  read_sampling(fields, params, model);
  read_lengths(fields, params, model, chat);
  read_stop(fields, params);
  read_bad_words(fields, params);
  params.stop_token_ids = fields.ids("stop_token_ids", kMaxIds, model.vocab_size);
  params.include_stop_str_in_output = fields.boolean("include_stop_str_in_output", false);
  params.ignore_eos = fields.boolean("ignore_eos", false);
  params.format = read_output_format(fields);
  if (fields.has("prompt_logprobs"))
    params.prompt_logprobs =
        static_cast<int32_t>(fields.integer("prompt_logprobs", 0, kMaxLogprobs, 0));
  if (params.prompt_logprobs && params.stream)
    fields.fail("prompt_logprobs", "is not possible in a stream.");
  params.skip_special_tokens = fields.boolean("skip_special_tokens", true);
  params.return_token_ids = fields.boolean("return_token_ids", false);
  params.priority = static_cast<int32_t>(fields.integer("priority", INT32_MIN, INT32_MAX, 0));
  params.cache_salt = fields.text("cache_salt", kMaxSaltBytes, "");
  if (fields.has("cache_salt") && fields.ok() && params.cache_salt.empty())
    fields.fail("cache_salt", fmt::format("must be 1 to {} bytes long.", kMaxSaltBytes));
  params.timeout = std::min(fields.number("timeout", 0, 1e18, 0), limits.max_timeout);
  check_annotations(fields);
  refuse_unsupported(fields);
}

Result<CompletionParams::Prompt> parse_prompt(const Json& prompt, int32_t vocab_size) {
  if (prompt.is_string()) return CompletionParams::Prompt(prompt.get<std::string>());
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
  return CompletionParams::Prompt(std::move(ids));
}

Result<std::vector<CompletionParams::Prompt>> parse_prompts(const Json* prompt,
                                                            int32_t vocab_size) {
  if (prompt == nullptr) return invalid("prompt", "prompt is missing.", "invalid_type");
  if (!prompt->is_string() && !prompt->is_array())
    return invalid("prompt",
                   fmt::format("prompt must be a string or a list, not {}.", type_name(*prompt)),
                   "invalid_type");
  const bool several = prompt->is_array() && !prompt->empty() && !prompt->front().is_number();
  std::vector<CompletionParams::Prompt> prompts;
  if (several && prompt->size() > kMaxPrompts)
    return invalid("prompt", fmt::format("prompt must hold at most {} prompts.", kMaxPrompts));
  const Json single = several ? Json() : Json::array({*prompt});
  for (const Json& item : several ? *prompt : single) {
    Result<CompletionParams::Prompt> parsed = parse_prompt(item, vocab_size);
    if (!parsed.ok()) return parsed.error();
    prompts.push_back(std::move(parsed).value());
  }
  return prompts;
}

}  // namespace

Result<ChatParams> parse_chat(const Json& body, const ModelInfo& model, const ParamLimits& limits) {
  FieldReader fields(body);
  ChatParams params;
  read_common(fields, params, model, limits, true);
  const bool logprobs = fields.boolean("logprobs", false);
  const auto top = static_cast<int32_t>(fields.integer("top_logprobs", 0, kMaxLogprobs, 0));
  if (fields.has("top_logprobs") && !logprobs)
    fields.fail("top_logprobs", "is only possible with logprobs: true.");
  if (logprobs) params.num_logprobs = top;
  Json shown_tools;
  params.tools = read_tools(fields, shown_tools);
  Result<ChatInput> input = parse_chat_input(fields);
  if (!fields.ok()) return fields.error();
  if (!input.ok()) return input.error();
  params.input = std::move(input).value();
  params.input.tools = std::move(shown_tools);
  params.num_unknown_fields = fields.num_unknown();
  return params;
}

Result<CompletionParams> parse_completion(const Json& body, const ModelInfo& model,
                                          const ParamLimits& limits) {
  FieldReader fields(body);
  CompletionParams params;
  read_common(fields, params, model, limits, false);
  params.num_logprobs = static_cast<int32_t>(fields.integer("logprobs", 0, kMaxLogprobs, -1));
  params.echo = fields.boolean("echo", false);
  params.add_special_tokens = fields.boolean("add_special_tokens", true);
  if (params.max_tokens == 0 && !params.echo && !params.prompt_logprobs)
    fields.fail("max_tokens",
                "must be at least 1, unless echo or prompt_logprobs asks for the prompt.");
  if (!fields.ok()) return fields.error();
  Result<std::vector<CompletionParams::Prompt>> prompts =
      parse_prompts(fields.value("prompt"), model.vocab_size);
  if (!prompts.ok()) return prompts.error();
  params.prompts = std::move(prompts).value();
  if (static_cast<int>(params.prompts.size()) * params.n > kMaxSequences)
    return invalid("n",
                   fmt::format("n times the number of prompts must be at most {}.", kMaxSequences));
  params.num_unknown_fields = fields.num_unknown();
  return params;
}

}  // namespace ember
