// SPDX-License-Identifier: Apache-2.0
#include "tensor_names.h"

#include <fmt/format.h>

#include <iterator>

namespace ember {

namespace {

constexpr size_t kNumNamings = static_cast<size_t>(TensorNaming::kGguf) + 1;

// In the order of Role; columns in the order of TensorNaming. {}: the layer. Null: as Hugging Face
// calls it, or nothing that such models have.
constexpr const char* kNames[][kNumNamings] = {
    {"model.embed_tokens", nullptr, "transformer.embedding.word_embeddings", "token_embd"},
    {"model.layers.{}.self_attn.q_proj", nullptr, nullptr, "blk.{}.attn_q"},
    {"model.layers.{}.self_attn.k_proj", nullptr, nullptr, "blk.{}.attn_k"},
    {"model.layers.{}.self_attn.v_proj", nullptr, nullptr, "blk.{}.attn_v"},
    {"model.layers.{}.self_attn.qkv_proj", nullptr,
     "transformer.encoder.layers.{}.self_attention.query_key_value", "blk.{}.attn_qkv"},
    {"model.layers.{}.self_attn.o_proj", nullptr,
     "transformer.encoder.layers.{}.self_attention.dense", "blk.{}.attn_output"},
    {"model.layers.{}.mlp.gate_proj", nullptr, nullptr, "blk.{}.ffn_gate"},
    {"model.layers.{}.mlp.up_proj", nullptr, nullptr, "blk.{}.ffn_up"},
    {"model.layers.{}.mlp.gate_up_proj", nullptr, "transformer.encoder.layers.{}.mlp.dense_h_to_4h",
     "blk.{}.ffn_up"},
    {"model.layers.{}.mlp.down_proj", nullptr, "transformer.encoder.layers.{}.mlp.dense_4h_to_h",
     "blk.{}.ffn_down"},
    {"model.layers.{}.input_layernorm", nullptr, "transformer.encoder.layers.{}.input_layernorm",
     "blk.{}.attn_norm"},
    {"model.layers.{}.self_attn.q_norm", nullptr, nullptr, "blk.{}.attn_q_norm"},
    {"model.layers.{}.self_attn.k_norm", nullptr, nullptr, "blk.{}.attn_k_norm"},
    {"model.layers.{}.post_self_attn_layernorm", "model.layers.{}.post_attention_layernorm",
     nullptr, "blk.{}.post_attention_norm"},
    {"model.layers.{}.post_attention_layernorm", "model.layers.{}.pre_feedforward_layernorm",
     "transformer.encoder.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"model.layers.{}.post_mlp_layernorm", "model.layers.{}.post_feedforward_layernorm", nullptr,
     "blk.{}.post_ffw_norm"},
    {"model.norm", nullptr, "transformer.encoder.final_layernorm", "output_norm"},
    {"lm_head", nullptr, "transformer.output_layer", "output"},
};
static_assert(std::size(kNames) == kNumRoles);

}  // namespace

std::string tensor_name(TensorNaming naming, Role role, int layer) {
  const auto& names = kNames[static_cast<size_t>(role)];
  const char* const own = names[static_cast<size_t>(naming)];
  return fmt::format(fmt::runtime(own != nullptr ? own : names[0]), layer);
}

std::string tensor_name(const DecoderConfig& config, Role role, int layer) {
  static constexpr std::string_view kPart = "language_model.", kBody = "model.";
  std::string name = tensor_name(config.naming, role, layer);
  if (config.text_part == TextPart::kOuter) return std::string(kPart) + name;
  if (config.text_part == TextPart::kInner && name.starts_with(kBody))
    name.insert(kBody.size(), kPart);
  return name;
}

}  // namespace ember
