// SPDX-License-Identifier: Apache-2.0
#include "families.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember {

namespace {

constexpr int kMaxWindow = 1 << 30;

void all_layers_see(DecoderConfig& decoder, int window) {
  decoder.layer_window.assign(static_cast<size_t>(decoder.num_layers), window);
}

void llama(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = decoder.output_bias = config.boolean("attention_bias", false);
  decoder.mlp_bias = config.boolean("mlp_bias", false);
  all_layers_see(decoder, 0);
}

void mistral(const JsonObject& config, DecoderConfig& decoder) {
  // Absent is the library's default, as the first Mistral's files rely on; null is no window.
  const int64_t default_value = config.json().contains("sliding_window") ? 0 : 4096;
  all_layers_see(decoder,
                 static_cast<int>(config.integer("sliding_window", 1, kMaxWindow, default_value)));
}

// layer_types, or for older files max_window_layers: from that layer on the window applies.
void qwen_windows(const JsonObject& config, DecoderConfig& decoder) {
  all_layers_see(decoder, 0);
  if (!config.boolean("use_sliding_window", false) || !config.has("sliding_window")) return;
  const int window = static_cast<int>(config.integer("sliding_window", 1, kMaxWindow));
  const std::vector<std::string> types = config.texts("layer_types");
  if (!types.empty() && types.size() != decoder.layer_window.size())
    config.refuse("layer_types", fmt::format("{} entries", decoder.num_layers));
  const auto first = static_cast<size_t>(config.integer("max_window_layers", 0, kMaxWindow, 28));
  for (size_t i = 0; i < decoder.layer_window.size(); ++i) {
    if (!types.empty() && types[i] != "sliding_attention" && types[i] != "full_attention")
      config.refuse("layer_types", "\"full_attention\" or \"sliding_attention\" for each layer");
    const bool sliding = types.empty() ? i >= first : types[i] == "sliding_attention";
    decoder.layer_window[i] = sliding ? window : 0;
  }
}

void qwen2(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = true;
  qwen_windows(config, decoder);
}

void qwen3(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = decoder.output_bias = config.boolean("attention_bias", false);
  decoder.qk_norm = true;
  qwen_windows(config, decoder);
}

void glm(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = config.boolean("attention_bias", true);
  decoder.fused_gate_up = true;
  decoder.rope.interleaved = true;
  all_layers_see(decoder, 0);
}

void glm4(const JsonObject& config, DecoderConfig& decoder) {
  glm(config, decoder);
  decoder.sandwich_norms = true;
}

constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", 0, 1e-6, 1.0, llama},    {"MistralForCausalLM", 0, 1e-6, 1.0, mistral},
    {"Qwen2ForCausalLM", 0, 1e-6, 1.0, qwen2},    {"Qwen3ForCausalLM", 128, 1e-6, 1.0, qwen3},
    {"GlmForCausalLM", 128, 1.5625e-7, 0.5, glm}, {"Glm4ForCausalLM", 128, 1.5625e-7, 0.5, glm4},
};

}  // namespace

const Family& find_family(const JsonObject& config) {
  std::string known;
  for (const Family& family : kFamilies)
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  const std::vector<std::string> architectures = config.texts("architectures");
  if (architectures.empty()) config.refuse("architectures", "one of " + known);
  for (const Family& family : kFamilies)
    if (architectures.front() == family.architecture) return family;
  bad_model(
      config.file(),
      fmt::format("architecture \"{}\" is not supported{}; supported are {}",
                  architectures.front().substr(0, 64),
                  config.has("auto_map") ? " (code that comes with a model is never run)" : "",
                  known));
}

}  // namespace ember
