// SPDX-License-Identifier: Apache-2.0
#include "tensor_names.h"

#include <fmt/format.h>

#include <iterator>

namespace ember {

namespace {

constexpr size_t kNumNamings = static_cast<size_t>(TensorNaming::kHuggingFace) + 1;

// In the order of Role; columns in the order of TensorNaming. {}: the layer.
constexpr const char* kNames[][kNumNamings] = {
    {"model.embed_tokens"},
    {"model.layers.{}.self_attn.q_proj"},
    {"model.layers.{}.self_attn.k_proj"},
    {"model.layers.{}.self_attn.v_proj"},
    {"model.layers.{}.self_attn.o_proj"},
    {"model.layers.{}.mlp.gate_proj"},
    {"model.layers.{}.mlp.up_proj"},
    {"model.layers.{}.mlp.gate_up_proj"},
    {"model.layers.{}.mlp.down_proj"},
    {"model.layers.{}.input_layernorm"},
    {"model.layers.{}.self_attn.q_norm"},
    {"model.layers.{}.self_attn.k_norm"},
    {"model.layers.{}.post_self_attn_layernorm"},
    {"model.layers.{}.post_attention_layernorm"},
    {"model.layers.{}.post_mlp_layernorm"},
    {"model.norm"},
    {"lm_head"},
};
static_assert(std::size(kNames) == kNumRoles);

}  // namespace

std::string tensor_name(TensorNaming naming, Role role, int layer) {
  return fmt::format(fmt::runtime(kNames[static_cast<size_t>(role)][static_cast<size_t>(naming)]),
                     layer);
}

}  // namespace ember
