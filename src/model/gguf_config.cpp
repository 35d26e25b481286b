// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "json_object.h"
#include "weight_conversion.h"
#include "weight_specs.h"

namespace ember {

namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxSize = INT32_MAX;

// Fields of config.json with the keys that they come from, whose names begin with the architecture.
class ConfigWriter {
 public:
  ConfigWriter(const GgufMetadata& metadata, const std::string& gguf_architecture,
               const char* architecture)
      : metadata_(metadata),
        prefix_(gguf_architecture + "."),
        spellings_(std::make_shared<JsonObject::Spellings>()) {
    json_["architectures"] = {architecture};
  }

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return metadata_.has(key(name)); }
  int64_t integer(std::string_view name) const { return metadata_.integer(key(name), 0, kMaxSize); }
  double number(std::string_view name) const { return metadata_.number(key(name), -1e30, 1e30); }
  // Is there, and not the 0 that stands for nothing.
  bool says(std::string_view name) const { return has(name) && number(name) != 0; }
  void set(const char* field, Json value) { json_[field] = std::move(value); }
  const Json& get(const char* field) const { return json_.at(field); }
  void spell(const std::string& field, std::string_view name) {
    spellings_->insert_or_assign(field, key(name));
    read_.emplace(name);
  }
  bool was_read(std::string_view name) const { return read_.contains(name); }

  // Bounds are parse_decoder_config's, which calls the fields as they are called here.
  void copy_integer(const char* field, std::string_view name) {
    spell(field, name);
    if (has(name)) json_[field] = integer(name);
  }
  void copy_number(const char* field, std::string_view name) {
    spell(field, name);
    if (has(name)) json_[field] = number(name);
  }
  // 0 and nothing are `field`'s default.
  void copy_setting(const char* field, std::string_view name) {
    spell(field, name);
    if (says(name)) json_[field] = number(name);
  }
  JsonObject finish() { return {metadata_.file(), "", std::move(json_), spellings_}; }

 private:
  const GgufMetadata& metadata_;
  const std::string prefix_;
  std::shared_ptr<JsonObject::Spellings> spellings_;
  std::set<std::string, std::less<>> read_;
  Json json_;
};

// What would change the result, and was not read.
void refuse_unknown_features(const ConfigWriter& config, const GgufMetadata& metadata) {
  for (const char* name : {"expert_count", "nextn_predict_layers"})
    metadata.integer(config.key(name), 0, 0, 0);
  for (const char* name :
       {"attention.scale", "attn_logit_softcapping", "final_logit_softcapping", "embedding_scale",
        "residual_scale", "logit_scale", "attention.temperature_scale", "attention.clamp_kqv"})
    if (!config.was_read(name)) metadata.number(config.key(name), 0, 0, 0);
  metadata.number(config.key("rope.scale_linear"), 1, 1, 1);  // of old files
  const std::string sections = config.key("rope.dimension_sections");
  for (const double section : metadata.numbers(sections))
    if (section != 0) metadata.refuse(sections, "none: such rotations are not supported");
}

// The families have defaults of their own, but files mean this one.
int64_t head_dim_of(const ConfigWriter& config, const GgufMetadata& metadata) {
  if (config.has("attention.key_length")) return config.integer("attention.key_length");
  const int64_t hidden = config.integer("embedding_length"),
                heads = metadata.integer(config.key("attention.head_count"), 1, kMaxSize);
  if (hidden % heads != 0)
    metadata.refuse(config.key("embedding_length"), fmt::format("a multiple of {} heads", heads));
  return hidden / heads;
}

void write_shapes(ConfigWriter& config, const GgufMetadata& metadata, const Checkpoint& tensors) {
  config.copy_integer("num_hidden_layers", "block_count");
  config.copy_integer("hidden_size", "embedding_length");
  config.copy_integer("intermediate_size", "feed_forward_length");
  config.copy_integer("num_attention_heads", "attention.head_count");
  config.set("num_key_value_heads", Json());  // as many as there are others
  config.copy_integer("num_key_value_heads", "attention.head_count_kv");
  config.copy_integer("max_position_embeddings", "context_length");
  config.integer("context_length");  // which must be there
  const int64_t head_dim = head_dim_of(config, metadata);
  config.set("head_dim", head_dim);
  config.spell("head_dim", "attention.key_length");
  metadata.integer(config.key("attention.value_length"), head_dim, head_dim, head_dim);
  config.set("rms_norm_eps", metadata.number(config.key("attention.layer_norm_rms_epsilon"), 0, 1));
  const std::string embedding = "token_embd.weight";
  if (!tensors.has(embedding)) bad_model(tensors.path(), "tensor \"" + embedding + "\" is missing");
  config.set("vocab_size", tensors.stored(embedding).shape.front());
  config.spell("vocab_size", "vocab_size");
  config.set("tie_word_embeddings", !tensors.has("output.weight"));
}

// 0 and nothing: none.
void write_window(ConfigWriter& config) {
  const char* const key = "attention.sliding_window";
  config.spell("sliding_window", key);
  config.set("sliding_window", config.says(key) ? Json(config.integer(key)) : Json());
}

// Yarn's files give the factor of the cosines without the logarithmic part, config.json's with it.
Json yarn(const ConfigWriter& config, double factor) {
  Json scaling;
  if (config.has("rope.scaling.attn_factor"))
    scaling["attention_factor"] =
        config.number("rope.scaling.attn_factor") * (1 + 0.1 * std::log(std::max(factor, 1.0)));
  if (config.has("rope.scaling.yarn_beta_fast"))
    scaling["beta_fast"] = config.number("rope.scaling.yarn_beta_fast");
  if (config.has("rope.scaling.yarn_beta_slow"))
    scaling["beta_slow"] = config.number("rope.scaling.yarn_beta_slow");
  return scaling;
}

void write_scaling(ConfigWriter& config, const GgufMetadata& metadata) {
  const std::string type_key = config.key("rope.scaling.type");
  const std::string_view type = metadata.text(type_key, "none");
  if (type == "none") return;
  if (type == "longrope" && config.was_read("rope.scaling.original_context_length")) return;
  if (type != "linear" && type != "yarn") metadata.refuse(type_key, "none, linear or yarn");
  const double factor = metadata.number(config.key("rope.scaling.factor"), 1, 1e6);
  Json scaling = type == "yarn" ? yarn(config, factor) : Json::object();
  scaling["rope_type"] = type;
  scaling["factor"] = factor;
  const std::string_view original = "rope.scaling.original_context_length";
  if (config.has(original)) scaling["original_max_position_embeddings"] = config.integer(original);
  config.spell("rope_scaling.original_max_position_embeddings", original);
  config.spell("rope_scaling.attention_factor", "rope.scaling.attn_factor");
  config.spell("rope_scaling.beta_fast", "rope.scaling.yarn_beta_fast");
  config.spell("rope_scaling.beta_slow", "rope.scaling.yarn_beta_slow");
  config.set("rope_scaling", std::move(scaling));
}

int64_t rotated_dims(const ConfigWriter& config, const GgufMetadata& metadata, bool whole_heads) {
  const int64_t head_dim = head_dim_of(config, metadata);
  return metadata.integer(config.key("rope.dimension_count"), whole_heads ? head_dim : 1,
                          std::max<int64_t>(head_dim, 1), head_dim);
}

void write_rope(ConfigWriter& config, const GgufMetadata& metadata, bool whole_heads) {
  config.copy_number("rope_theta", "rope.freq_base");
  const int64_t head_dim = head_dim_of(config, metadata),
                rotated = rotated_dims(config, metadata, whole_heads);
  // Half a dimension more, so that rounding cannot lose one.
  config.set("partial_rotary_factor",
             std::min(1.0, (static_cast<double>(rotated) + 0.5) / static_cast<double>(head_dim)));
  write_scaling(config, metadata);
}

// Biases and fused matrices are there where their tensors are.
void look_at_tensors(const Checkpoint& tensors, DecoderConfig& decoder) {
  const auto has = [&](Role role, const char* kind) {
    return tensors.has(tensor_name(TensorNaming::kGguf, role, 0) + kind);
  };
  decoder.fused_qkv = has(Role::kQkv, ".weight");
  decoder.qkv_bias |= has(decoder.fused_qkv ? Role::kQkv : Role::kQ, ".bias");
  decoder.output_bias = has(Role::kOutput, ".bias");
  decoder.mlp_bias = has(Role::kDown, ".bias");
  if (decoder.fused_qkv && decoder.paired_qk_rows)
    bad_model(tensors.path(), fmt::format("tensor \"{}.weight\": expected q, k and v of their own",
                                          tensor_name(TensorNaming::kGguf, Role::kQkv, 0)));
}

std::vector<float> read_divisors(const Checkpoint& tensors, const std::string& name,
                                 int64_t rotary_dim) {
  if (!tensors.has(name)) return {};
  const StoredTensor stored = tensors.tensor(name, std::vector<int64_t>{rotary_dim / 2});
  std::vector<float> divisors;
  for (size_t i = 0; i < static_cast<size_t>(rotary_dim / 2); ++i) {
    divisors.push_back(element_to_float(dtype_of(*stored.format).value(), stored.data, i));
    if (!(divisors.back() >= 1e-6f && divisors.back() <= 1e6f))
      bad_model(stored.file,
                fmt::format("tensor \"{}\": expected numbers from 1e-6 to 1e6, found {}", name,
                            divisors.back()));
  }
  return divisors;
}

void llama(ConfigWriter& config, const GgufMetadata&, const Checkpoint&) {
  if (!config.says("attention.sliding_window")) return;
  // Files of llama hold Mistral's models too, which differ in this alone.
  config.set("architectures", {"MistralForCausalLM"});
  write_window(config);
}

// sliding_window_pattern: one bool a layer, or n: all but every n-th layer have a window.
void write_layer_types(ConfigWriter& config, const GgufMetadata& metadata) {
  const char* const name = "attention.sliding_window_pattern";
  const GgufValue* pattern = metadata.find(config.key(name));
  config.spell("sliding_window_pattern", name);
  config.spell("layer_types", name);
  if (pattern == nullptr) return;
  if (!pattern->array || pattern->type != GgufValueType::kBool)
    return config.copy_integer("sliding_window_pattern", name);
  Json types = Json::array();
  for (const bool slides : metadata.booleans(config.key(name)))
    types.push_back(slides ? "sliding_attention" : "full_attention");
  config.set("layer_types", std::move(types));
}

// Of the largest models, q.k is scaled by the width of the residual; files do not say so.
void write_gemma_scale(ConfigWriter& config, int64_t layers_of_largest) {
  config.spell("query_pre_attn_scalar", "attention.scale");
  const int64_t hidden = config.integer("embedding_length"),
                heads = std::max<int64_t>(config.integer("attention.head_count"), 1);
  const bool largest = config.integer("block_count") == layers_of_largest;
  config.set("query_pre_attn_scalar", largest ? Json(hidden / heads) : config.get("head_dim"));
}

void gemma2(ConfigWriter& config, const GgufMetadata& metadata, const Checkpoint&) {
  config.copy_number("attn_logit_softcapping", "attn_logit_softcapping");
  config.copy_number("final_logit_softcapping", "final_logit_softcapping");
  if (config.has("attention.sliding_window")) write_window(config);
  write_layer_types(config, metadata);
  write_gemma_scale(config, 46);
}

void gemma3(ConfigWriter& config, const GgufMetadata& metadata, const Checkpoint&) {
  config.copy_number("final_logit_softcapping", "final_logit_softcapping");
  config.copy_number("rope_local_base_freq", "rope.freq_base_swa");
  if (config.has("attention.sliding_window")) write_window(config);
  write_layer_types(config, metadata);
  write_gemma_scale(config, 62);
}

// Whether it is what longrope's formula says, but for float32: then the formula is computed.
bool is_derived_factor(const ConfigWriter& config, double factor) {
  const char* const original_key = "rope.scaling.original_context_length";
  if (!config.says(original_key)) return false;
  const auto original = static_cast<double>(config.integer(original_key)),
             stretch = static_cast<double>(config.integer("context_length")) / original;
  const double derived = stretch <= 1 ? 1 : std::sqrt(1 + std::log(stretch) / std::log(original));
  return std::abs(factor - derived) < 1e-6;
}

// With the factors of longrope as tensors.
void phi3(ConfigWriter& config, const GgufMetadata& metadata, const Checkpoint& tensors) {
  write_window(config);
  config.copy_integer("original_max_position_embeddings", "rope.scaling.original_context_length");
  const int64_t rotated = rotated_dims(config, metadata, false);
  const std::vector<float> short_factor =
                               read_divisors(tensors, "rope_factors_short.weight", rotated),
                           long_factor =
                               read_divisors(tensors, "rope_factors_long.weight", rotated);
  if (metadata.text(config.key("rope.scaling.type"), "") != "longrope" && short_factor.empty() &&
      long_factor.empty())
    return;
  Json scaling = {
      {"rope_type", "longrope"}, {"short_factor", short_factor}, {"long_factor", long_factor}};
  const char* const factor = "rope.scaling.attn_factor";
  config.spell("rope_scaling.attention_factor", factor);
  if (config.says(factor) && !is_derived_factor(config, config.number(factor)))
    scaling["attention_factor"] = config.number(factor);
  config.set("rope_scaling", std::move(scaling));
}

void olmo2(ConfigWriter& config, const GgufMetadata& metadata, const Checkpoint&) {
  metadata.integer(config.key("attention.sliding_window"), 0, 0, 0);  // OLMo 3
}

void granite(ConfigWriter& config, const GgufMetadata&, const Checkpoint&) {
  config.copy_setting("embedding_multiplier", "embedding_scale");
  config.copy_setting("residual_multiplier", "residual_scale");
  config.copy_setting("logits_scaling", "logit_scale");
  config.set("attention_multiplier", 1 / std::sqrt(config.get("head_dim").get<double>()));
  config.spell("attention_multiplier", "attention.scale");
}

// What a general.architecture is called in config.json, and what its files have done to the
// weights.
struct GgufFamily {
  std::string_view name;
  const char* architecture;
  bool paired_qk_rows;  // see DecoderConfig
  // Fields of its own; those of shapes are there.
  void (*write)(ConfigWriter& config, const GgufMetadata& metadata,
                const Checkpoint& tensors) = nullptr;
};

constexpr GgufFamily kFamilies[] = {
    {"llama", "LlamaForCausalLM", true, llama},
    {"qwen2", "Qwen2ForCausalLM", false},
    {"qwen3", "Qwen3ForCausalLM", false},
    {"glm4", "Glm4ForCausalLM", false},
    {"chatglm", "GlmForCausalLM", false},
    {"gemma2", "Gemma2ForCausalLM", false, gemma2},
    {"gemma3", "Gemma3ForCausalLM", false, gemma3},
    {"phi3", "Phi3ForCausalLM", false, phi3},
    {"olmo2", "Olmo2ForCausalLM", false, olmo2},
    {"granite", "GraniteForCausalLM", true, granite},
    {"smollm3", "SmolLM3ForCausalLM", true},
};

const GgufFamily& find_family(const GgufMetadata& metadata) {
  const std::string key = "general.architecture";
  std::string known;
  for (const GgufFamily& family : kFamilies) {
    if (metadata.text(key, "") == family.name) return family;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family.name);
  }
  metadata.refuse(key, "one of " + known);
}

// The type of numbers that most weights become, and how the others are stored.
void find_formats(const Checkpoint& tensors, DecoderConfig& decoder) {
  auto formats = stored_formats(tensors, decoder);
  std::map<DType, int64_t> weights;
  for (const TensorSpec& spec : required_tensors(decoder))
    if (const auto format = formats.find(spec.name); format != formats.end())
      weights[default_dtype(format->second, DType::kF16)] += spec.shape[0] * spec.shape[1];
  const auto most = std::ranges::max_element(weights, {}, [](const auto& w) { return w.second; });
  if (most != weights.end()) decoder.dtype = most->first;
  std::erase_if(formats,
                [&](const auto& entry) { return entry.second == format_of(decoder.dtype); });
  decoder.other_formats = std::move(formats);
}

}  // namespace

DecoderConfig gguf_decoder_config(const GgufCheckpoint& checkpoint) {
  const GgufMetadata& metadata = checkpoint.metadata();
  const GgufFamily& family = find_family(metadata);
  ConfigWriter config(metadata, std::string(family.name), family.architecture);
  write_shapes(config, metadata, checkpoint);
  if (family.write != nullptr) family.write(config, metadata, checkpoint);
  refuse_unknown_features(config, metadata);
  write_rope(config, metadata, family.paired_qk_rows);
  config.set("attention_bias", false);
  DecoderConfig decoder = parse_decoder_config(config.finish());
  decoder.naming = TensorNaming::kGguf;
  decoder.paired_qk_rows = family.paired_qk_rows;
  decoder.norm_offset = 0;  // is in the file's weights
  const char* const scale = "attention.scale";
  if (config.was_read(scale) && config.says(scale))
    decoder.attention_scale = static_cast<float>(metadata.number(config.key(scale), 1e-9, 1e9));
  look_at_tensors(checkpoint, decoder);
  for (RopeConfig& rope : decoder.ropes)
    if (rope.scaling != RopeScaling::kLongRope)
      rope.divisors = read_divisors(checkpoint, "rope_freqs.weight", rope.rotary_dim);
  find_formats(checkpoint, decoder);
  return decoder;
}

}  // namespace ember
