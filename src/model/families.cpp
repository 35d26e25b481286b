// SPDX-License-Identifier: Apache-2.0
#include "families.h"

#include <fmt/format.h>

#include <cmath>

#include "chatglm_config.h"

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

// Which layers see their window only: "layer_types", or what otherwise(i) says of layer i.
template <class Otherwise>
std::vector<bool> sliding_layers(const JsonObject& config, const DecoderConfig& decoder,
                                 const Otherwise& otherwise) {
  const std::vector<std::string> types = config.texts("layer_types");
  const auto layers = static_cast<size_t>(decoder.num_layers);
  if (!types.empty() && types.size() != layers)
    config.refuse("layer_types", fmt::format("{} entries", layers));
  std::vector<bool> sliding;
  for (size_t i = 0; i < layers; ++i) {
    if (!types.empty() && types[i] != "sliding_attention" && types[i] != "full_attention")
      config.refuse("layer_types", "\"full_attention\" or \"sliding_attention\" for each layer");
    sliding.push_back(types.empty() ? otherwise(static_cast<int>(i))
                                    : types[i] == "sliding_attention");
  }
  return sliding;
}

void set_windows(const std::vector<bool>& sliding, int window, DecoderConfig& decoder) {
  decoder.layer_window.clear();
  for (const bool slides : sliding) decoder.layer_window.push_back(slides ? window : 0);
}

// 0: none.
int window_of(const JsonObject& config) {
  return static_cast<int>(config.integer("sliding_window", 1, kMaxWindow, 0));
}

void mistral(const JsonObject& config, DecoderConfig& decoder) {
  all_layers_see(decoder, window_of(config));
}

// layer_types, or for older files max_window_layers: from that layer on the window applies.
void qwen_windows(const JsonObject& config, DecoderConfig& decoder) {
  if (!config.boolean("use_sliding_window", false) || !config.has("sliding_window"))
    return all_layers_see(decoder, 0);
  const int first = static_cast<int>(config.integer("max_window_layers", 0, kMaxWindow, 28));
  set_windows(sliding_layers(config, decoder, [&](int i) { return i >= first; }), window_of(config),
              decoder);
}

void qwen2(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = true;
  qwen_windows(config, decoder);
}

void qwen3(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = decoder.output_bias = config.boolean("attention_bias", false);
  decoder.qk_norm = QkNormScope::kHead;
  qwen_windows(config, decoder);
}

void glm(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qkv_bias = config.boolean("attention_bias", true);
  decoder.fused_gate_up = true;
  decoder.ropes.front().interleaved = true;
  all_layers_see(decoder, 0);
}

void glm4(const JsonObject& config, DecoderConfig& decoder) {
  glm(config, decoder);
  decoder.norm_placement = NormPlacement::kSandwich;
}

void chatglm(const JsonObject& config, DecoderConfig& decoder) {
  glm(config, decoder);
  decoder.naming = TensorNaming::kChatGlm;
  decoder.output_bias = decoder.mlp_bias = config.boolean("add_bias_linear", false);
  decoder.qkv_bias = decoder.mlp_bias || config.boolean("add_qkv_bias", false);
  decoder.fused_qkv = true;
}

// Which layers have a window: "layer_types", or all but every n-th.
std::vector<bool> gemma_sliding_layers(const JsonObject& config, const DecoderConfig& decoder) {
  const auto n = static_cast<int>(config.integer("sliding_window_pattern", 1, 4096));
  return sliding_layers(config, decoder, [n](int i) { return (i + 1) % n != 0; });
}

// What all of them have; returns which layers have a window.
std::vector<bool> gemma(const JsonObject& config, DecoderConfig& decoder) {
  if (config.boolean("use_bidirectional_attention", false))
    config.refuse("use_bidirectional_attention", "false");
  decoder.naming = TensorNaming::kFeedforwardNorms;
  decoder.norm_placement = NormPlacement::kSandwich;
  decoder.norm_offset = 1;
  decoder.qkv_bias = decoder.output_bias = config.boolean("attention_bias", false);
  decoder.embedding_scale = std::sqrt(static_cast<float>(decoder.hidden_size));
  decoder.attention_scale =
      static_cast<float>(1 / std::sqrt(config.number("query_pre_attn_scalar", 1e-6, 1e9)));
  // 0 stands for none, as null does.
  decoder.logit_softcap = static_cast<float>(config.number("final_logit_softcapping", 0, 1e6, 0));
  const std::vector<bool> sliding = gemma_sliding_layers(config, decoder);
  set_windows(sliding, window_of(config), decoder);
  return sliding;
}

void gemma2(const JsonObject& config, DecoderConfig& decoder) {
  gemma(config, decoder);
  decoder.attention_softcap =
      static_cast<float>(config.number("attn_logit_softcapping", 0, 1e6, 0));
}

// Its attention has no softcap, whatever the file says.
void gemma3(const JsonObject& config, DecoderConfig& decoder) {
  decoder.qk_norm = QkNormScope::kHead;
  for (const bool slides : gemma(config, decoder)) decoder.layer_rope.push_back(slides ? 1 : 0);
}

// The text part of a model that sees images, too.
void gemma3_text(const JsonObject& config, DecoderConfig& decoder) {
  gemma3(config, decoder);
  decoder.logit_softcap = 0;             // as in transformers, whatever the file says
  decoder.text_part = TextPart::kOuter;  // which of the two is seen in the files
}

JsonObject text_config(const JsonObject& config) {
  const std::optional<JsonObject> text = config.object("text_config");
  if (!text) config.refuse("text_config", "an object");
  nlohmann::json json = text->json();
  for (const char* field : {"dtype", "torch_dtype", "tie_word_embeddings"})
    if (config.has(field)) json[field] = config.json()[field];
  return {config.file(), "text_config.", std::move(json)};
}

void phi3(const JsonObject& config, DecoderConfig& decoder) {
  decoder.fused_qkv = decoder.fused_gate_up = true;
  all_layers_see(decoder, window_of(config));
}

void olmo2(const JsonObject& config, DecoderConfig& decoder) {
  decoder.naming = TensorNaming::kFeedforwardNorms;
  decoder.norm_placement = NormPlacement::kPost;
  decoder.qk_norm = QkNormScope::kProjection;
  decoder.qkv_bias = decoder.output_bias = config.boolean("attention_bias", false);
  all_layers_see(decoder, 0);
}

void granite(const JsonObject& config, DecoderConfig& decoder) {
  llama(config, decoder);
  const auto positive = [&](const char* field) {
    return static_cast<float>(config.number(field, 1e-9, 1e9, 1));
  };
  decoder.embedding_scale = positive("embedding_multiplier");
  decoder.residual_scale = positive("residual_multiplier");
  decoder.attention_scale = positive("attention_multiplier");
  decoder.logit_scale = 1 / positive("logits_scaling");
}

void smollm3(const JsonObject& config, DecoderConfig& decoder) {
  llama(config, decoder);
  const auto layers = static_cast<size_t>(decoder.num_layers);
  const int64_t interval = config.integer("no_rope_layer_interval", 1, 4096, 4);
  std::vector<int64_t> rotated = config.integers("no_rope_layers");  // 1: it is, despite the name
  if (!config.has("no_rope_layers"))
    for (int64_t i = 0; i < decoder.num_layers; ++i) rotated.push_back((i + 1) % interval != 0);
  if (rotated.size() < layers) config.refuse("no_rope_layers", fmt::format("{} numbers", layers));
  for (size_t i = 0; i < layers; ++i) {
    if (rotated[i] != 0 && rotated[i] != 1) config.refuse("no_rope_layers", "zeros and ones");
    decoder.layer_rope.push_back(rotated[i] == 1 ? 0 : DecoderConfig::kNoRope);
  }
  if (!config.boolean("use_sliding_window", false)) return;
  set_windows(
      sliding_layers(config, decoder, [&](int i) { return rotated[static_cast<size_t>(i)] == 0; }),
      window_of(config), decoder);
}

// As the library's configuration classes have them; files leave them out.
constexpr const char* kGlm =
    R"({"head_dim": 128, "rms_norm_eps": 1.5625e-7, "partial_rotary_factor": 0.5})";
constexpr const char* kChatGlm =
    R"({"head_dim": 128, "rms_norm_eps": 1e-5, "partial_rotary_factor": 0.5})";
constexpr const char* kGemma2 = R"({
  "num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
  "max_position_embeddings": 8192, "tie_word_embeddings": true, "query_pre_attn_scalar": 256,
  "sliding_window": 4096, "sliding_window_pattern": 2, "attn_logit_softcapping": 50,
  "final_logit_softcapping": 30})";
// Even sizes are left out here.
constexpr const char* kGemma3 = R"({
  "vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
  "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "rms_norm_eps": 1e-6,
  "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 131072,
  "tie_word_embeddings": true, "query_pre_attn_scalar": 256, "sliding_window": 4096,
  "sliding_window_pattern": 6, "rope_theta": 1000000, "rope_local_base_freq": 10000})";

constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "{}", llama},
    {"MistralForCausalLM", R"({"sliding_window": 4096})", mistral},
    {"Qwen2ForCausalLM", "{}", qwen2},
    {"Qwen3ForCausalLM", R"({"head_dim": 128})", qwen3},
    {"GlmForCausalLM", kGlm, glm},
    {"Glm4ForCausalLM", kGlm, glm4},
    {.architecture = "ChatGLMModel",
     .defaults = kChatGlm,
     .fill = chatglm,
     .translate = translate_chatglm},
    {.architecture = "ChatGLMForConditionalGeneration",
     .defaults = kChatGlm,
     .fill = chatglm,
     .translate = translate_chatglm},
    {"Gemma2ForCausalLM", kGemma2, gemma2},
    {"Gemma3ForCausalLM", kGemma3, gemma3, read_global_and_local_rope},
    {"Gemma3ForConditionalGeneration", kGemma3, gemma3_text, read_global_and_local_rope,
     text_config},
    {"Phi3ForCausalLM", R"({"rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
                            "original_max_position_embeddings": 4096})",
     phi3},
    {"Olmo2ForCausalLM", R"({"rms_norm_eps": 1e-5})", olmo2},
    {"GraniteForCausalLM", "{}", granite},
    {"SmolLM3ForCausalLM", R"({"num_key_value_heads": 4, "max_position_embeddings": 32768,
                               "tie_word_embeddings": true, "rope_theta": 2000000})",
     smollm3},
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
