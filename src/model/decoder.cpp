// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder.h"

#include "ember/model/rope.h"
#include "weight_loader.h"

namespace ember {

namespace {

float round_to(DType dtype, float x) {
  if (dtype == DType::kF16) return f16_to_float(float_to_f16(x));
  return dtype == DType::kBF16 ? bf16_to_float(float_to_bf16(x)) : x;
}

}  // namespace

Decoder::Decoder(Backend& backend, const Shard& shard, const Checkpoint& checkpoint,
                 const LoadOptions& options)
    : backend_(backend), shard_(shard), config_(shard_.part) {
  WeightLoader loader(backend, checkpoint, config_.dtype, options);
  visit_weights(shard_, weights_, loader);
  weights_.embedding.scale = round_to(backend.activation_dtype(), config_.embedding_scale);
  weights_.lm_head.scale = config_.logit_scale;
  for (LayerWeights& layer : weights_.layers)
    layer.output.scale = layer.down.scale = config_.residual_scale;
  for (int i = 0; i < config_.num_layers; ++i)
    attention_.push_back(backend.make_attention(attention_spec(shard_, i)));
}

void Decoder::allocate(const DecoderLimits& limits) {
  activations_ = make_activations(shard_, limits, backend_.activation_dtype(),
                                  [&](DType dtype, std::initializer_list<int64_t> shape) {
                                    return backend_.allocate(dtype, shape);
                                  });
  for (size_t i = 0; i < config_.ropes.size(); ++i) {
    const std::vector<float> table = rope_table(config_.ropes[i], limits.max_model_len);
    backend_.write(activations_.cos_sin[i], table.data(), table.size() * sizeof(float));
  }
  kv_cache_ = backend_.make_kv_cache(kv_cache_spec(shard_, limits));
}

Tensor Decoder::forward(const BatchView& batch) {
  const Tensor x = activations_.hidden.rows(batch.num_tokens),
               residual = activations_.residual.rows(batch.num_tokens);
  backend_.embed(residual, weights_.embedding, batch.token_ids);
  backend_.rms_norm(x, residual, weights_.layers.front().input_norm, config_.norm_eps);
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    attention_block(i, x, batch);
    mlp_block(i, x);
  }
  if (batch.num_logit_rows == 0) return logits(0);
  const Tensor last = activations_.last.rows(batch.num_logit_rows);
  backend_.gather_rows(last, x, batch.logit_rows);
  const Tensor result = logits(batch.num_logit_rows);
  backend_.linear(result, last, weights_.lm_head);
  if (config_.logit_softcap > 0) backend_.softcap(result, config_.logit_softcap);
  return result;
}

void Decoder::attention_block(size_t i, Tensor x, const BatchView& batch) {
  const LayerWeights& layer = weights_.layers[i];
  const Tensor qkv = activations_.qkv.rows(batch.num_tokens),
               out = activations_.attention.rows(batch.num_tokens);
  backend_.linear(qkv, x, layer.qkv);
  QkNorm head_norm;
  if (config_.qk_norm == QkNormScope::kHead)
    head_norm = {layer.q_norm, layer.k_norm, config_.norm_eps};
  else if (config_.qk_norm == QkNormScope::kProjection)
    normalise_queries_and_keys(layer, qkv);
  const int rope = config_.layer_rope[i];
  const Tensor cos_sin =
      rope == DecoderConfig::kNoRope ? Tensor() : activations_.cos_sin[static_cast<size_t>(rope)];
  backend_.rope_and_store(qkv, head_norm, cos_sin, kv_cache_[i], batch, attention_[i]);
  backend_.attention(out, qkv, kv_cache_[i], batch, attention_[i]);
  add_and_norm(layer.output, out, layer.post_attention_norm, layer.mlp_norm, x);
}

void Decoder::normalise_queries_and_keys(const LayerWeights& layer, Tensor qkv) {
  const int64_t q_columns = int64_t{config_.num_heads} * config_.head_dim,
                k_columns = int64_t{config_.num_kv_heads} * config_.head_dim;
  normalise_projection(qkv.columns(0, q_columns), layer.q_norm, shard_.heads);
  normalise_projection(qkv.columns(q_columns, k_columns), layer.k_norm, shard_.kv_heads);
}

// Of all ranks' heads as one, of which the rank keeps its own.
void Decoder::normalise_projection(Tensor own, Tensor weights, Range heads) {
  if (shard_.num_ranks == 1) return backend_.rms_norm(own, own, weights, config_.norm_eps);
  const Tensor whole = activations_.projection.rows(own.shape[0]).columns(0, weights.shape[0]);
  backend_.gather_columns(whole, own);
  backend_.rms_norm(whole, whole, weights, config_.norm_eps);
  backend_.rms_norm(own, whole.columns(heads.begin * config_.head_dim, own.shape[1]), Tensor(), 0);
}

void Decoder::mlp_block(size_t i, Tensor x) {
  const LayerWeights& layer = weights_.layers[i];
  const Tensor gate_up = activations_.gate_up.rows(x.shape[0]),
               activated = activations_.mlp.rows(x.shape[0]);
  const bool last = i + 1 == weights_.layers.size();
  backend_.linear_gated(activated, x, layer.gate_up, gate_up, config_.gate);
  add_and_norm(layer.down, activated, layer.post_mlp_norm,
               last ? weights_.final_norm : weights_.layers[i + 1].input_norm, x);
}

// The residual gains a block's result; x becomes the input of the next block.
void Decoder::add_and_norm(const Linear& w, Tensor input, Tensor post_norm, Tensor next_norm,
                           Tensor x) {
  const Tensor residual = activations_.residual.rows(x.shape[0]);
  if (post_norm) {
    backend_.linear(x, input, w);
    backend_.rms_norm(x, x, post_norm, config_.norm_eps);
    backend_.add_rms_norm(x, residual, x, next_norm, config_.norm_eps);
  } else {
    backend_.linear_add_norm(x, residual, input, w, next_norm, config_.norm_eps);
  }
}

}  // namespace ember
