// SPDX-License-Identifier: Apache-2.0
// How much memory a rank's decoder needs on its device, known before anything is loaded or
// allocated.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>

#include "ember/backend/backend.h"
#include "ember/model/shard.h"

namespace ember {

// The largest step, and the KV cache.
struct DecoderLimits {
  int max_tokens = 0;      // of one step
  int max_logit_rows = 0;  // of one step
  int max_model_len = 0;   // positions of one sequence
  int num_blocks = 0;
  int block_size = 0;  // tokens
};

// The activations of the largest step: T = max_tokens, R = max_logit_rows. In the backend's
// activation_dtype, except for the last two. The names of the sizes are DecoderConfig's, of
// Shard::part.
struct Activations {
  Tensor residual;    // [T, hidden_size] the sum of the embedding and of all blocks so far
  Tensor hidden;      // [T, hidden_size] what a block reads: the residual, perhaps normalised
  Tensor qkv;         // [T, (num_heads + 2 * num_kv_heads) * head_dim]
  Tensor attention;   // [T, num_heads * head_dim]
  Tensor gate_up;     // [T, 2 * intermediate_size]
  Tensor mlp;         // [T, intermediate_size] gate(g) * up
  Tensor projection;  // [T, num_heads of all ranks * head_dim] where that is normalised as one
  Tensor last;        // [R, hidden_size] rows of hidden whose logits are wanted
  Tensor logits;      // float [R, vocab_size]
  std::vector<Tensor> cos_sin;  // of each rope: float [max_model_len, rotary_dim], see
                                // Backend::rope_and_store
};

// Calls `allocate` once for each, whether it allocates or only counts.
using Allocate = std::function<Tensor(DType, std::initializer_list<int64_t> shape)>;
Activations make_activations(const Shard& shard, const DecoderLimits& limits,
                             DType activation_dtype, const Allocate& allocate);

// The bytes that Decoder's constructor allocates. `dtype` as in LoadOptions.
size_t weight_bytes(const Backend& backend, const Shard& shard, std::optional<DType> dtype);
// What the matrices are in memory, e.g. "Q4_1, Q8_0" or "float16 (from Q4_1, Q8_0)", the formats of
// most weights first.
std::string weight_formats(const Backend& backend, const Shard& shard, std::optional<DType> dtype);
// The bytes that Decoder::allocate allocates besides the KV cache.
size_t activation_bytes(const Backend& backend, const Shard& shard, const DecoderLimits& limits);
KvCacheSpec kv_cache_spec(const Shard& shard, const DecoderLimits& limits);
AttentionSpec attention_spec(const Shard& shard, int layer);
StepLimits step_limits(const Shard& shard, const DecoderLimits& limits, int max_num_seqs);

}  // namespace ember
