// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "families.h"
#include "json_object.h"

namespace ember {

namespace {

constexpr int64_t kMaxPosition = 1 << 27;

// Settings of rotary embeddings: "rope_scaling" beside a "rope_theta" (transformers 4) or all in
// "rope_parameters" (5).
void read_scaling(const JsonObject& scaling, DecoderConfig& decoder) {
  RopeConfig& rope = decoder.rope;
  const std::string type = scaling.text("rope_type", scaling.text("type", "default"));
  static const std::pair<const char*, RopeScaling> kTypes[] = {{"default", RopeScaling::kNone},
                                                               {"linear", RopeScaling::kLinear},
                                                               {"dynamic", RopeScaling::kDynamic},
                                                               {"llama3", RopeScaling::kLlama3},
                                                               {"yarn", RopeScaling::kYarn}};
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const auto& t) { return type == t.first; });
  if (found == std::end(kTypes))
    scaling.refuse(scaling.has("rope_type") ? "rope_type" : "type",
                   "default, linear, dynamic, llama3 or yarn");
  rope.scaling = found->second;
  if (rope.scaling == RopeScaling::kNone) return;
  const int64_t original =
      scaling.integer("original_max_position_embeddings", 1, kMaxPosition, decoder.max_position);
  rope.original_max_position = static_cast<int>(original);
  const bool derived = rope.scaling == RopeScaling::kYarn && !scaling.has("factor");
  rope.factor =
      derived
          ? std::max(1.0, static_cast<double>(decoder.max_position) / static_cast<double>(original))
          : scaling.number("factor", 1, 1e6);
  if (rope.scaling == RopeScaling::kLlama3) {
    rope.low_freq_factor = scaling.number("low_freq_factor", 1e-6, 1e6);
    rope.high_freq_factor = scaling.number("high_freq_factor", 1e-6, 1e6);
    if (rope.high_freq_factor <= rope.low_freq_factor)
      scaling.refuse("high_freq_factor", "more than low_freq_factor");
  }
  if (rope.scaling == RopeScaling::kYarn) {
    rope.beta_fast = scaling.number("beta_fast", 1e-6, 1e6, 32);
    rope.beta_slow = scaling.number("beta_slow", 1e-6, 1e6, 1);
    rope.mscale = scaling.number("mscale", 0, 1e3, 0);
    rope.mscale_all_dim = scaling.number("mscale_all_dim", 0, 1e3, 0);
    if (scaling.has("attention_factor"))
      rope.attention_factor = scaling.number("attention_factor", 1e-6, 1e3);
    rope.truncate = scaling.boolean("truncate", true);
  }
}

// The context with rope scaling, derived as in vLLM: llama3's max_position_embeddings includes the
// scaling. That of the other methods does not, unless the file gives the original context as well.
int extended_context(const DecoderConfig& decoder, bool has_original) {
  const RopeConfig& rope = decoder.rope;
  const double factor = std::min(rope.factor, static_cast<double>(kMaxPosition));
  int64_t extended = decoder.max_position;
  if (rope.scaling == RopeScaling::kYarn)
    extended =
        std::max<int64_t>(extended, static_cast<int64_t>(rope.original_max_position * factor));
  if (rope.scaling == RopeScaling::kLinear || rope.scaling == RopeScaling::kDynamic)
    extended =
        has_original
            ? std::max<int64_t>(extended, static_cast<int64_t>(rope.original_max_position * factor))
            : static_cast<int64_t>(decoder.max_position * factor);
  return static_cast<int>(std::min(extended, kMaxPosition));
}

void read_rope(const JsonObject& config, const Family& family, DecoderConfig& decoder) {
  const std::optional<JsonObject> parameters = config.object("rope_parameters");
  const std::optional<JsonObject> scaling = parameters ? parameters : config.object("rope_scaling");
  const JsonObject& top = parameters && parameters->has("rope_theta") ? *parameters : config;
  decoder.rope.theta = top.number("rope_theta", 1.0001, 1e15, 10000);
  const JsonObject& partial =
      parameters && parameters->has("partial_rotary_factor") ? *parameters : config;
  const double share =
      partial.number("partial_rotary_factor", 0.01, 1, family.default_rotary_share);
  decoder.rope.rotary_dim = static_cast<int>(decoder.head_dim * share);
  if (decoder.rope.rotary_dim < 2 || decoder.rope.rotary_dim % 2 != 0)
    bad_model(config.file(), fmt::format("{} rotated dimensions of a head: expected an even number",
                                         decoder.rope.rotary_dim));
  if (scaling) {
    read_scaling(*scaling, decoder);
    decoder.max_position =
        extended_context(decoder, scaling->has("original_max_position_embeddings"));
  }
}

DType read_dtype(const JsonObject& config) {
  const char* field = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.text(field, "float32");
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    if (name == name_of(dtype)) return dtype;
  config.refuse(field, "float16, bfloat16 or float32");
}

void refuse_quantization(const JsonObject& config) {
  const std::optional<JsonObject> quantization = config.object("quantization_config");
  if (quantization)
    bad_model(
        config.file(),
        fmt::format(
            "quantization \"{}\" is not supported; weights must be float16, bfloat16 or float32",
            quantization->text("quant_method", "?").substr(0, 64)));
}

void read_shapes(const JsonObject& config, const Family& family, DecoderConfig& decoder) {
  decoder.num_layers = static_cast<int>(config.integer("num_hidden_layers", 1, 4096));
  decoder.hidden_size = static_cast<int>(config.integer("hidden_size", 1, 1 << 20));
  decoder.intermediate_size = static_cast<int>(config.integer("intermediate_size", 1, 1 << 22));
  decoder.num_heads = static_cast<int>(config.integer("num_attention_heads", 1, 4096));
  decoder.num_kv_heads = static_cast<int>(
      config.integer("num_key_value_heads", 1, decoder.num_heads, decoder.num_heads));
  if (decoder.num_heads % decoder.num_kv_heads != 0)
    config.refuse("num_key_value_heads",
                  fmt::format("a divisor of num_attention_heads {}", decoder.num_heads));
  const bool divides = decoder.hidden_size % decoder.num_heads == 0;
  if (!config.has("head_dim") && family.default_head_dim == 0 && !divides)
    config.refuse(
        "hidden_size",
        fmt::format("a multiple of num_attention_heads {}, or a \"head_dim\"", decoder.num_heads));
  const int default_value = family.default_head_dim != 0 ? family.default_head_dim
                                                         : decoder.hidden_size / decoder.num_heads;
  decoder.head_dim = static_cast<int>(config.integer("head_dim", 1, 1024, default_value));
  if (decoder.head_dim % 2 != 0)
    bad_model(config.file(),
              fmt::format("\"head_dim\": expected an even number, found {}", decoder.head_dim));
  decoder.vocab_size = static_cast<int>(config.integer("vocab_size", 1, 1 << 22));
  decoder.max_position =
      static_cast<int>(config.integer("max_position_embeddings", 1, kMaxPosition, 2048));
  decoder.norm_eps =
      static_cast<float>(config.number("rms_norm_eps", 0, 1, family.default_norm_eps));
  decoder.tie_word_embeddings = config.boolean("tie_word_embeddings", false);
  if (config.text("hidden_act", "silu") != "silu") config.refuse("hidden_act", "\"silu\"");
}

void read_token_ids(const JsonObject& source, const char* field, const DecoderConfig& config,
                    std::vector<int32_t>& ids) {
  for (const int64_t id : source.integers(field)) {
    if (id < 0 || id >= config.vocab_size)
      source.refuse(field, fmt::format("token ids from 0 to {}", config.vocab_size - 1));
    ids.push_back(static_cast<int32_t>(id));
  }
}

std::vector<std::string> read_stop_strings(const JsonObject& generation) {
  const std::string field = "stop_strings";
  constexpr size_t kMaxStops = 64, kMaxBytes = 1024;
  const bool single = generation.has(field) && generation.json()[field].is_string();
  std::vector<std::string> stops =
      single ? std::vector<std::string>{generation.text(field, "")} : generation.texts(field);
  const auto fits = [](const std::string& stop) {
    return !stop.empty() && stop.size() <= kMaxBytes;
  };
  if (stops.size() > kMaxStops || !std::all_of(stops.begin(), stops.end(), fits))
    generation.refuse(field,
                      fmt::format("at most {} strings of 1 to {} bytes", kMaxStops, kMaxBytes));
  return stops;
}

std::optional<float> optional_number(const JsonObject& source, const char* field, double low,
                                     double high) {
  if (!source.has(field)) return std::nullopt;
  return static_cast<float>(source.number(field, low, high));
}

}  // namespace

DecoderConfig load_decoder_config(const std::filesystem::path& model_dir) {
  return parse_decoder_config(JsonObject::read(model_dir / "config.json"));
}

DecoderConfig parse_decoder_config(const JsonObject& config) {
  const Family& family = find_family(config);
  refuse_quantization(config);
  DecoderConfig decoder;
  decoder.architecture = family.architecture;
  read_shapes(config, family, decoder);
  decoder.dtype = read_dtype(config);
  family.fill(config, decoder);
  read_rope(config, family, decoder);
  return decoder;
}

GenerationDefaults load_generation_defaults(const std::filesystem::path& model_dir,
                                            const DecoderConfig& config) {
  GenerationDefaults defaults;
  const JsonObject model = JsonObject::read(model_dir / "config.json");
  const std::filesystem::path file = model_dir / "generation_config.json";
  const JsonObject generation = std::filesystem::exists(file)
                                    ? JsonObject::read(file)
                                    : JsonObject(file, "", nlohmann::json::object());
  read_token_ids(generation.has("eos_token_id") ? generation : model, "eos_token_id", config,
                 defaults.eos_token_ids);
  std::vector<int32_t> unused;
  read_token_ids(generation.has("bos_token_id") ? generation : model, "bos_token_id", config,
                 unused);
  std::sort(defaults.eos_token_ids.begin(), defaults.eos_token_ids.end());
  defaults.temperature = optional_number(generation, "temperature", 0, 2);
  defaults.top_p = optional_number(generation, "top_p", 1e-9, 1);
  defaults.min_p = optional_number(generation, "min_p", 0, 1);
  defaults.repetition_penalty = optional_number(generation, "repetition_penalty", 1e-6, 10);
  if (generation.has("top_k"))
    defaults.top_k = static_cast<int32_t>(generation.integer("top_k", -1, INT32_MAX));
  defaults.greedy = !generation.boolean("do_sample", true);
  defaults.stop_strings = read_stop_strings(generation);
  return defaults;
}

}  // namespace ember
