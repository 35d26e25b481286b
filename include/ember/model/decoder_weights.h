// SPDX-License-Identifier: Apache-2.0
// The weights of a decoder on its device, and how they are loaded. The names of the sizes are
// DecoderConfig's.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ember/backend/backend.h"

namespace ember {

// Vectors that the model does not have are empty.
struct LayerWeights {
  Tensor input_norm;           // [hidden_size], but with NormPlacement::kPost
  Linear qkv;                  // hidden_size -> (num_heads + 2 * num_kv_heads) * head_dim
  Tensor q_norm, k_norm;       // with qk_norm: [head_dim] each, or as many as its heads have
  Linear output;               // num_heads * head_dim -> hidden_size
  Tensor post_attention_norm;  // [hidden_size], but with NormPlacement::kPre
  Tensor mlp_norm;             // [hidden_size], but with NormPlacement::kPost
  Linear gate_up;              // hidden_size -> 2 * intermediate_size, gates first
  Linear down;                 // intermediate_size -> hidden_size
  Tensor post_mlp_norm;        // [hidden_size], but with NormPlacement::kPre
};

struct DecoderWeights {
  Linear embedding;  // row i: the hidden_size numbers of token i of vocab_size
  std::vector<LayerWeights> layers;
  Tensor final_norm;  // [hidden_size]
  Linear lm_head;     // hidden_size -> vocab_size; the embedding, where tie_word_embeddings
};

struct LoadOptions {
  // Of the matrices; nullopt: as in the checkpoint, where the backend takes them so; of what it
  // does not take, FP8 becomes DecoderConfig::dtype, blocks and integers float16. A number too
  // large for it is a StartError.
  std::optional<DType> dtype;
  std::function<void(size_t bytes_done, size_t bytes_total)> progress;  // as the checkpoint counts
};

}  // namespace ember
