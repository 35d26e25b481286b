// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ember/base/files.h"
#include "families.h"
#include "json_object.h"
#include "quantized_checkpoint.h"

namespace ember {

namespace {

// A field that is null stays so: for some it means something else than the default.
JsonObject with_defaults(const JsonObject& config, const char* defaults) {
  nlohmann::json json = nlohmann::json::parse(defaults);
  json.update(config.json());
  return config.with(std::move(json));
}

Gate read_gate(const JsonObject& config) {
  const char* field = config.has("hidden_activation") ? "hidden_activation" : "hidden_act";
  const std::string name = config.text(field, "silu");
  if (name == "silu") return Gate::kSilu;
  if (name == "gelu_pytorch_tanh") return Gate::kGeluTanh;
  config.refuse(field, "\"silu\" or \"gelu_pytorch_tanh\"");
}

DType read_dtype(const JsonObject& config) {
  const char* field = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.text(field, "float32");
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    if (name == name_of(dtype)) return dtype;
  config.refuse(field, "float16, bfloat16 or float32");
}

void read_shapes(const JsonObject& config, DecoderConfig& decoder) {
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
  if (!config.has("head_dim") && !divides)
    config.refuse(
        "hidden_size",
        fmt::format("a multiple of num_attention_heads {}, or a \"head_dim\"", decoder.num_heads));
  decoder.head_dim = static_cast<int>(
      config.integer("head_dim", 1, 1024, decoder.hidden_size / decoder.num_heads));
  if (decoder.head_dim % 2 != 0) config.refuse("head_dim", "an even number");
  decoder.vocab_size = static_cast<int>(config.integer("vocab_size", 1, 1 << 22));
  decoder.max_position = static_cast<int>(
      config.integer("max_position_embeddings", 1, DecoderConfig::kMaxPosition, 2048));
  decoder.norm_eps = static_cast<float>(config.number("rms_norm_eps", 0, 1, 1e-6));
  decoder.tie_word_embeddings = config.boolean("tie_word_embeddings", false);
  decoder.gate = read_gate(config);
  decoder.attention_scale =
      static_cast<float>(1 / std::sqrt(static_cast<double>(decoder.head_dim)));
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

DecoderConfig parse_decoder_config(const std::filesystem::path& model_dir) {
  return parse_decoder_config(JsonObject::read(model_dir / "config.json"));
}

DecoderConfig load_decoder_config(const std::filesystem::path& model_dir) {
  DecoderConfig decoder = parse_decoder_config(model_dir);
  look_at_weights(model_dir, decoder);
  return decoder;
}

DecoderConfig parse_decoder_config(const JsonObject& file) {
  const Family& family = find_family(file);
  const JsonObject config =
      with_defaults(family.translate != nullptr ? family.translate(file) : file, family.defaults);
  DecoderConfig decoder;
  decoder.architecture = family.architecture;
  read_shapes(config, decoder);
  decoder.dtype = read_dtype(config);
  decoder.ropes.resize(1);
  family.fill(config, decoder);
  family.read_ropes(config, decoder);
  if (decoder.layer_rope.empty())
    decoder.layer_rope.assign(static_cast<size_t>(decoder.num_layers), 0);
  return decoder;
}

GenerationDefaults load_generation_defaults(const std::filesystem::path& model_dir,
                                            const DecoderConfig& config) {
  GenerationDefaults defaults;
  const JsonObject top = JsonObject::read(model_dir / "config.json");
  const JsonObject model = top.has("eos_token_id") ? top : top.object("text_config").value_or(top);
  const std::filesystem::path file = model_dir / "generation_config.json";
  const JsonObject generation =
      path_exists(file) ? JsonObject::read(file) : JsonObject(file, "", nlohmann::json::object());
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
