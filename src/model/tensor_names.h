// SPDX-License-Identifier: Apache-2.0
// What checkpoints call the tensors of a decoder: one row per role, one column per naming.
#pragma once

#include <string>

#include "ember/model/decoder_config.h"

namespace ember {

// What a tensor is for. A fused role is one tensor that stands for several others.
enum class Role : uint8_t {
  kEmbedding,
  kQ,
  kK,
  kV,
  kQkv,  // kQ, kK and kV, fused
  kOutput,
  kGate,
  kUp,
  kGateUp,  // kGate and kUp, fused
  kDown,
  kInputNorm,
  kQNorm,
  kKNorm,
  kPostAttentionNorm,
  kMlpNorm,
  kPostMlpNorm,
  kFinalNorm,
  kLmHead,
};
inline constexpr size_t kNumRoles = static_cast<size_t>(Role::kLmHead) + 1;

// The name without ".weight" or ".bias". `layer` matters only to the roles of layers.
std::string tensor_name(TensorNaming naming, Role role, int layer);
// The same in the checkpoint of this decoder: with DecoderConfig::text_part.
std::string tensor_name(const DecoderConfig& config, Role role, int layer);

}  // namespace ember
