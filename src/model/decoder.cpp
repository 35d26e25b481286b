#include "ember/model/decoder.h"

#include <cmath>

#include "ember/model/rope.h"
#include "model/weights.h"

namespace ember {

Decoder::Decoder(Backend& backend, const DecoderConfig& config, const Checkpoint& checkpoint, const LoadOptions& options)
    : backend_(backend), config_(config) {
  WeightLoader loader(backend, checkpoint, options);
  embedding_ = loader.matrix(embedding_spec(config));
  for (int i = 0; i < config.num_layers; ++i) {
    const LayerSpec spec = layer_spec(config, i);
    Layer& layer = layers_.emplace_back();
    layer.qkv = loader.matrix(spec.qkv);
    layer.output = loader.matrix(spec.output);
    layer.gate_up = loader.matrix(spec.gate_up);
    layer.down = loader.matrix(spec.down);
    layer.input_norm = loader.vector(spec.input_norm, config.hidden_size);
    layer.mlp_norm = loader.vector(spec.mlp_norm, config.hidden_size);
    layer.q_norm = loader.vector(spec.q_norm, config.head_dim);
    layer.k_norm = loader.vector(spec.k_norm, config.head_dim);
    layer.post_attention_norm = loader.vector(spec.post_attention_norm, config.hidden_size);
    layer.post_mlp_norm = loader.vector(spec.post_mlp_norm, config.hidden_size);
    layer.attention = backend.make_attention({.num_heads = config.num_heads,
                                              .num_kv_heads = config.num_kv_heads,
                                              .head_dim = config.head_dim,
                                              .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim))),
                                              .window = config.layer_window[static_cast<size_t>(i)],
                                              .rotary_dim = config.rope.rotary_dim,
                                              .interleaved = config.rope.interleaved});
  }
  final_norm_ = loader.vector(kFinalNorm, config.hidden_size);
  lm_head_ = config.tie_word_embeddings ? embedding_ : loader.matrix(lm_head_spec(config));
}

namespace {

// Columns of the activations, in elements.
struct Widths {
  explicit Widths(const DecoderConfig& c)
      : hidden(c.hidden_size), attention(int64_t{c.num_heads} * c.head_dim), qkv(attention + 2 * int64_t{c.num_kv_heads} * c.head_dim), mlp(c.intermediate_size) {}
  const int64_t hidden, attention, qkv, mlp;
};

}  // namespace

void Decoder::allocate(const DecoderLimits& limits) {
  const Widths width(config_);
  const DType dtype = backend_.activation_dtype();
  const auto rows = [&](int64_t columns) { return backend_.allocate(dtype, {limits.max_tokens, columns}); };
  hidden_ = rows(width.hidden);
  residual_ = rows(width.hidden);
  qkv_ = rows(width.qkv);
  attention_ = rows(width.attention);
  gate_up_ = rows(2 * width.mlp);
  mlp_ = rows(width.mlp);
  last_ = backend_.allocate(dtype, {limits.max_logit_rows, width.hidden});
  logits_ = backend_.allocate(DType::kF32, {limits.max_logit_rows, config_.vocab_size});
  const std::vector<float> table = rope_table(config_.rope, limits.max_model_len);
  cos_sin_ = backend_.allocate(DType::kF32, {limits.max_model_len, config_.rope.rotary_dim});
  backend_.write(cos_sin_, table.data(), table.size() * sizeof(float));
  const std::vector<KvLayer> cache = backend_.make_kv_cache(kv_cache_spec(config_, limits));
  for (size_t i = 0; i < layers_.size(); ++i) layers_[i].kv = cache[i];
}

Tensor Decoder::forward(const BatchView& batch) {
  const Tensor x = hidden_.rows(batch.num_tokens), residual = residual_.rows(batch.num_tokens);
  backend_.embed(residual, embedding_, batch.token_ids);
  backend_.rms_norm(x, residual, layers_.front().input_norm, config_.norm_eps);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    attention_block(layer, x, batch);
    backend_.add_rms_norm(x, residual, x, layer.mlp_norm, config_.norm_eps);
    mlp_block(layer, x, batch.num_tokens);
    backend_.add_rms_norm(x, residual, x, i + 1 < layers_.size() ? layers_[i + 1].input_norm : final_norm_, config_.norm_eps);
  }
  if (batch.num_logit_rows == 0) return {};
  const Tensor last = last_.rows(batch.num_logit_rows), logits = logits_.rows(batch.num_logit_rows);
  backend_.gather_rows(last, x, batch.logit_rows);
  backend_.linear(logits, last, lm_head_);
  return logits;
}

void Decoder::attention_block(const Layer& layer, Tensor x, const BatchView& batch) {
  const Tensor qkv = qkv_.rows(batch.num_tokens), out = attention_.rows(batch.num_tokens);
  backend_.linear(qkv, x, layer.qkv);
  if (config_.qk_norm) backend_.qk_norm(qkv, layer.q_norm, layer.k_norm, config_.norm_eps, layer.attention);
  backend_.rope_and_store(qkv, cos_sin_, layer.kv, batch, layer.attention);
  backend_.attention(out, qkv, layer.kv, batch, layer.attention);
  backend_.linear(x, out, layer.output);
  backend_.all_reduce(x);
  if (config_.sandwich_norms) backend_.rms_norm(x, x, layer.post_attention_norm, config_.norm_eps);
}

void Decoder::mlp_block(const Layer& layer, Tensor x, int num_tokens) {
  const Tensor gate_up = gate_up_.rows(num_tokens), activated = mlp_.rows(num_tokens);
  backend_.linear(gate_up, x, layer.gate_up);
  backend_.silu_mul(activated, gate_up);
  backend_.linear(x, activated, layer.down);
  backend_.all_reduce(x);
  if (config_.sandwich_norms) backend_.rms_norm(x, x, layer.post_mlp_norm, config_.norm_eps);
}

size_t weight_bytes(const Backend& backend, const DecoderConfig& config, std::optional<DType> dtype) {
  const DType type = dtype.value_or(config.dtype);
  const auto bytes = [&](const MatrixSpec& spec) { return backend.linear_bytes(type, spec.out_features(), spec.in_features); };
  const LayerSpec layer = layer_spec(config, 0);
  const size_t norms = sizeof(float) * static_cast<size_t>(config.hidden_size);
  const size_t of_layer = bytes(layer.qkv) + bytes(layer.output) + bytes(layer.gate_up) + bytes(layer.down) + 2 * norms;
  const size_t head = config.tie_word_embeddings ? 0 : bytes(lm_head_spec(config));
  return of_layer * static_cast<size_t>(config.num_layers) + bytes(embedding_spec(config)) + head + norms;
}

size_t activation_bytes(const Backend& backend, const DecoderConfig& config, const DecoderLimits& limits) {
  const Widths width(config);
  const auto element = static_cast<int64_t>(size_of(backend.activation_dtype()));
  const int64_t of_token = (2 * width.hidden + width.qkv + width.attention + 3 * width.mlp) * element;
  const int64_t of_row = width.hidden * element + config.vocab_size * static_cast<int64_t>(sizeof(float));
  const int64_t table = int64_t{limits.max_model_len} * config.rope.rotary_dim * static_cast<int64_t>(sizeof(float));
  return static_cast<size_t>(limits.max_tokens * of_token + limits.max_logit_rows * of_row + table);
}

KvCacheSpec kv_cache_spec(const DecoderConfig& config, const DecoderLimits& limits) {
  return {.num_layers = config.num_layers,
          .num_blocks = limits.num_blocks,
          .block_size = limits.block_size,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim};
}

}  // namespace ember
