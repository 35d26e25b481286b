// SPDX-License-Identifier: Apache-2.0
// The decoder-only transformer, once for all families, devices and numbers of ranks.
#pragma once

#include <vector>

#include "ember/backend/backend.h"
#include "ember/model/checkpoint.h"
#include "ember/model/decoder_plan.h"
#include "ember/model/decoder_weights.h"

namespace ember {

class Decoder {
 public:
  // Loads the rank's weights; the checkpoint is not needed afterwards. `backend` must outlive the
  // decoder. Throws StartError.
  Decoder(Backend& backend, const Shard& shard, const Checkpoint& checkpoint,
          const LoadOptions& options);

  // Activations for the largest step, the rope tables and the KV cache. Once, before the first
  // forward.
  void allocate(const DecoderLimits& limits);

  // Computes all tokens of the batch, writing their K and V to the cache, and returns
  // logits(batch.num_logit_rows), valid until the next call; of no column on ranks other than 0.
  // The ranks' threads call it with the same batch. Runs on the backend, perhaps
  // asynchronously.
  Tensor forward(const BatchView& batch);
  // Where forward puts the first n rows of logits: float [n, vocab_size].
  Tensor logits(int n) const { return activations_.logits.rows(n); }

  const Shard& shard() const { return shard_; }
  const DecoderConfig& config() const { return shard_.whole; }

 private:
  // Of layer i. x: the block's input, which is replaced by the next block's input.
  void attention_block(size_t i, Tensor x, const BatchView& batch);
  void mlp_block(size_t i, Tensor x);
  void normalise_queries_and_keys(const LayerWeights& layer, Tensor qkv);
  void normalise_projection(Tensor own, Tensor weights, Range heads);
  void add_and_norm(const Linear& w, Tensor input, Tensor post_norm, Tensor next_norm, Tensor x);

  Backend& backend_;
  const Shard shard_;
  const DecoderConfig& config_;  // what this rank computes
  DecoderWeights weights_;
  std::vector<AttentionOp> attention_;  // of each layer
  std::vector<KvLayer> kv_cache_;       // of each layer
  Activations activations_;
};

}  // namespace ember
