// SPDX-License-Identifier: Apache-2.0
#include "chatglm_config.h"

namespace ember {

namespace {

constexpr std::pair<const char*, const char*> kNames[] = {{"num_layers", "num_hidden_layers"},
                                                          {"ffn_hidden_size", "intermediate_size"},
                                                          {"kv_channels", "head_dim"},
                                                          {"padded_vocab_size", "vocab_size"},
                                                          {"seq_length", "max_position_embeddings"},
                                                          {"layernorm_epsilon", "rms_norm_eps"}};

void refuse_variants(const JsonObject& config) {
  const std::pair<const char*, bool> switches[] = {
      {"rmsnorm", true},
      {"original_rope", true},
      {"post_layer_norm", true},
      {"apply_residual_connection_post_layernorm", false}};
  for (const auto& [field, supported] : switches)
    if (config.boolean(field, supported) != supported)
      config.refuse(field, supported ? "true" : "false");
  // Without it, and it is absent by default, that code stores q, k and v head by head.
  if (!config.boolean("multi_query_attention", false))
    config.refuse("multi_query_attention", "true");
  config.integer("pre_seq_len", 0, 0, 0);       // prompt tuning
  config.integer("quantization_bit", 0, 0, 0);  // its own quantised weights
  if (config.has("vision_config")) config.refuse("vision_config", "none: images are not supported");
}

}  // namespace

JsonObject translate_chatglm(const JsonObject& config) {
  refuse_variants(config);
  nlohmann::json json = config.json();
  auto spellings = std::make_shared<JsonObject::Spellings>();
  const auto spell = [&](const char* own, const char* common) {
    json.erase(common);
    spellings->emplace(common, own);
  };
  for (const auto& [own, common] : kNames) {
    spell(own, common);
    if (config.has(own)) json[common] = config.json()[own];
  }
  spell("multi_query_group_num", "num_key_value_heads");
  json["num_key_value_heads"] = config.integer("multi_query_group_num", 1, 4096, 1);
  for (const char* field : {"rope_theta", "rope_parameters", "rope_scaling"}) json.erase(field);
  json["rope_theta"] = 10000 * config.number("rope_ratio", 1e-3, 1e6, 1);
  return {config.file(), "", std::move(json), spellings};
}

}  // namespace ember
