// SPDX-License-Identifier: Apache-2.0
#include "api/params.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/logit_bias.h"

namespace ember {

namespace {

constexpr size_t kMaxStops = 64, kMaxStopBytes = 1024, kMaxBadWords = 64, kMaxIds = 1024,
                 kMaxSaltBytes = 1024, kMaxModelBytes = 16 << 20;

void read_sampling(FieldReader& fields, SamplingParams& s, const ModelInfo& model) {
  const auto read = [&](const char* name, double low, double high, double fallback) {
    return static_cast<float>(fields.number(name, low, high, fallback));
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
  s.logit_bias = read_logit_bias(fields, model.vocab_size);
}

// Text that may be left out, but not empty.
std::string read_name(FieldReader& fields, const char* name, size_t max_bytes,
                      const std::string& expected) {
  std::string text = fields.text(name, max_bytes, "");
  if (fields.has(name) && fields.ok() && text.empty()) fields.fail(name, expected);
  return text;
}

}  // namespace

void read_max_tokens(FieldReader& fields, const std::string& name, int64_t least,
                     GenerationParams& params) {
  if (!fields.has(name)) return;
  params.max_tokens_field = name;
  params.max_tokens = static_cast<int32_t>(fields.integer(name, least, INT32_MAX, 1));
}

void read_stop(FieldReader& fields, const std::string& name, GenerationParams& params) {
  params.stop = fields.strings(name, kMaxStops, kMaxStopBytes, true);
}

void read_params(FieldReader& fields, const ModelInfo& model, const ParamLimits& limits,
                 GenerationParams& params) {
  params.model = read_name(fields, "model", kMaxModelBytes, "must not be empty.");
  params.stream = fields.boolean("stream", false);
  read_sampling(fields, params.sampling, model);
  if (fields.has("seed")) params.seed = fields.integer("seed", INT64_MIN, INT64_MAX, 0);
  params.min_tokens = static_cast<int32_t>(fields.integer("min_tokens", 0, model.max_model_len, 0));
  if (params.max_tokens && params.min_tokens > *params.max_tokens)
    fields.fail("min_tokens", fmt::format("must not be above max_tokens {}.", *params.max_tokens));
  params.bad_words = fields.strings("bad_words", kMaxBadWords, kMaxStopBytes);
  params.stop_token_ids = fields.ids("stop_token_ids", kMaxIds, model.vocab_size);
  params.ignore_eos = fields.boolean("ignore_eos", false);
  params.priority = static_cast<int32_t>(fields.integer("priority", INT32_MIN, INT32_MAX, 0));
  params.cache_salt = read_name(fields, "cache_salt", kMaxSaltBytes,
                                fmt::format("must be 1 to {} bytes long.", kMaxSaltBytes));
  params.timeout = std::min(fields.number("timeout", 0, 1e18, 0), limits.max_timeout);
}

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

void ignore_service_hints(FieldReader& fields) {
  for (const char* name :
       {"service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}) {
    fields.text(name, 1024, "");
    fields.ignore(name);
  }
}

void count_fields(const FieldReader& fields, GenerationParams& params) {
  params.num_unknown_fields = fields.num_unknown();
  params.ignored = fields.ignored();
}

void refuse_fields(FieldReader& fields, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (fields.has(name)) fields.fail(name, "is not supported.", "unsupported_parameter");
}

}  // namespace ember
