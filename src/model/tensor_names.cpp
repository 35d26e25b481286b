// SPDX-License-Identifier: Apache-2.0
#include "tensor_names.h"

#include <fmt/format.h>

#include <iterator>

namespace ember {

namespace {

constexpr size_t kNumNamings = static_cast<size_t>(TensorNaming::kGguf) + 1;

// In the order of Role; columns in the order of TensorNaming. {}: the layer.
constexpr const char* kNames[][kNumNamings] = {
    {"model.embed_tokens", "token_embd"},
    {"model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"model.layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"},
    {"model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"},
    {"model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
    {"model.layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
    {"model.layers.{}.post_self_attn_layernorm", "blk.{}.post_attention_norm"},
    {"model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"model.layers.{}.post_mlp_layernorm", "blk.{}.post_ffw_norm"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
};
static_assert(std::size(kNames) == kNumRoles);

}  // namespace

std::string tensor_name(TensorNaming naming, Role role, int layer) {
  return fmt::format(fmt::runtime(kNames[static_cast<size_t>(role)][static_cast<size_t>(naming)]),
                     layer);
}

}  // namespace ember
