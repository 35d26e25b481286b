// SPDX-License-Identifier: Apache-2.0
// The decoder-only transformer, once for all families, devices and numbers of ranks.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/model/decoder_config.h"
#include "ember/model/safetensors.h"

namespace ember {

// The largest step, and the KV cache.
struct DecoderLimits {
  int max_tokens = 0;      // of one step
  int max_logit_rows = 0;  // of one step
  int max_model_len = 0;   // positions of one sequence
  int num_blocks = 0;
  int block_size = 0;  // tokens
};

struct LoadOptions {
  std::optional<uint64_t> dummy_seed;  // random weights, the same for the same seed everywhere; the
                                       // checkpoint may be empty
  std::optional<DType> dtype;  // of the matrices; nullopt: as in the checkpoint. A number too large
                               // for it is a StartError
  std::function<void(size_t bytes_done, size_t bytes_total)> progress;
};

class Decoder {
 public:
  // Loads all weights; the checkpoint is not needed afterwards. `backend` must outlive the decoder.
  // Throws StartError.
  Decoder(Backend& backend, const DecoderConfig& config, const Checkpoint& checkpoint,
          const LoadOptions& options);

  // Activations for the largest step, the rope table and the KV cache. Once, before the first
  // forward.
  void allocate(const DecoderLimits& limits);

  // Computes all tokens of the batch, writing their K and V to the cache, and returns
  // logits(batch.num_logit_rows), valid until the next call. Runs on the backend, perhaps
  // asynchronously.
  Tensor forward(const BatchView& batch);
  // Where forward puts the first n rows of logits: float [n, vocab_size].
  Tensor logits(int n) const { return logits_.rows(n); }

  const DecoderConfig& config() const { return config_; }

 private:
  struct Layer {
    Linear qkv, output, gate_up, down;
    Tensor input_norm, mlp_norm;
    Tensor q_norm, k_norm;                      // qk_norm
    Tensor post_attention_norm, post_mlp_norm;  // sandwich_norms
    AttentionOp attention;
    KvLayer kv;
  };

  void attention_block(const Layer& layer, Tensor x, const BatchView& batch);
  void mlp_block(const Layer& layer, Tensor x, Tensor next_norm);
  void add_and_norm(const Linear& w, Tensor input, Tensor post_norm, Tensor next_norm, Tensor x);

  Backend& backend_;
  const DecoderConfig config_;
  Linear embedding_, lm_head_;
  Tensor final_norm_;
  std::vector<Layer> layers_;
  Tensor hidden_, residual_, qkv_, attention_, gate_up_, mlp_, last_, logits_, cos_sin_;
};

// For the memory plan, before anything is loaded: what the constructor and allocate() take, the KV
// cache excepted. `dtype` as in LoadOptions.
size_t weight_bytes(const Backend& backend, const DecoderConfig& config,
                    std::optional<DType> dtype);
size_t activation_bytes(const Backend& backend, const DecoderConfig& config,
                        const DecoderLimits& limits);
KvCacheSpec kv_cache_spec(const DecoderConfig& config, const DecoderLimits& limits);
AttentionSpec attention_spec(const DecoderConfig& config, int layer);
StepLimits step_limits(const DecoderConfig& config, const DecoderLimits& limits, int max_num_seqs);

}  // namespace ember
