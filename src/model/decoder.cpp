// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder.h"

#include <algorithm>
#include <cmath>

#include "ember/model/rope.h"
#include "weights.h"

namespace ember {

Decoder::Decoder(Backend& backend, const DecoderConfig& config, const Checkpoint& checkpoint,
                 const LoadOptions& options)
    : backend_(backend), config_(config) {
  WeightLoader loader(backend, config, checkpoint, options);
  embedding_ = loader.matrix(embedding_spec(config));
  for (int i = 0; i < config.num_layers; ++i) {
    const LayerSpec spec = layer_spec(config, i);
    Layer& layer = layers_.emplace_back();
    layer.qkv = loader.matrix(spec.qkv);
    layer.output = loader.matrix(spec.output);
    layer.gate_up = loader.matrix(spec.gate_up, true);
    layer.down = loader.matrix(spec.down);
    layer.input_norm = loader.vector(spec.input_norm, config.hidden_size);
    layer.mlp_norm = loader.vector(spec.mlp_norm, config.hidden_size);
    layer.q_norm = loader.vector(spec.q_norm, config.head_dim);
    layer.k_norm = loader.vector(spec.k_norm, config.head_dim);
    layer.post_attention_norm = loader.vector(spec.post_attention_norm, config.hidden_size);
    layer.post_mlp_norm = loader.vector(spec.post_mlp_norm, config.hidden_size);
    layer.attention = backend.make_attention(attention_spec(config, i));
  }
  final_norm_ = loader.vector(kFinalNorm, config.hidden_size);
  lm_head_ = config.tie_word_embeddings ? embedding_ : loader.matrix(lm_head_spec(config));
}

namespace {

// Columns of the activations, in elements.
struct Widths {
  explicit Widths(const DecoderConfig& c)
      : hidden(c.hidden_size),
        attention(int64_t{c.num_heads} * c.head_dim),
        qkv(attention + 2 * int64_t{c.num_kv_heads} * c.head_dim),
        mlp(c.intermediate_size) {}
  const int64_t hidden, attention, qkv, mlp;
};

}  // namespace

void Decoder::allocate(const DecoderLimits& limits) {
  const Widths width(config_);
  const DType dtype = backend_.activation_dtype();
  const auto rows = [&](int64_t columns) {
    return backend_.allocate(dtype, {limits.max_tokens, columns});
  };
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
    attention_block(layers_[i], x, batch);
    mlp_block(layers_[i], x, i + 1 < layers_.size() ? layers_[i + 1].input_norm : final_norm_);
  }
  if (batch.num_logit_rows == 0) return logits(0);
  const Tensor last = last_.rows(batch.num_logit_rows);
  backend_.gather_rows(last, x, batch.logit_rows);
  backend_.linear(logits(batch.num_logit_rows), last, lm_head_);
  return logits(batch.num_logit_rows);
}

void Decoder::attention_block(const Layer& layer, Tensor x, const BatchView& batch) {
  const Tensor qkv = qkv_.rows(batch.num_tokens), out = attention_.rows(batch.num_tokens);
  backend_.linear(qkv, x, layer.qkv);
  backend_.rope_and_store(qkv, {layer.q_norm, layer.k_norm, config_.norm_eps}, cos_sin_, layer.kv,
                          batch, layer.attention);
  backend_.attention(out, qkv, layer.kv, batch, layer.attention);
  add_and_norm(layer.output, out, layer.post_attention_norm, layer.mlp_norm, x);
}

void Decoder::mlp_block(const Layer& layer, Tensor x, Tensor next_norm) {
  const Tensor gate_up = gate_up_.rows(x.shape[0]), activated = mlp_.rows(x.shape[0]);
  backend_.linear_silu_mul(activated, x, layer.gate_up, gate_up);
  add_and_norm(layer.down, activated, layer.post_mlp_norm, next_norm, x);
}

// The residual gains a block's result; x becomes the input of the next block.
void Decoder::add_and_norm(const Linear& w, Tensor input, Tensor post_norm, Tensor next_norm,
                           Tensor x) {
  const Tensor residual = residual_.rows(x.shape[0]);
  if (config_.sandwich_norms) {
    backend_.linear(x, input, w);
    backend_.rms_norm(x, x, post_norm, config_.norm_eps);
    backend_.add_rms_norm(x, residual, x, next_norm, config_.norm_eps);
  } else {
    backend_.linear_add_norm(x, residual, input, w, next_norm, config_.norm_eps);
  }
}

size_t weight_bytes(const Backend& backend, const DecoderConfig& config,
                    std::optional<DType> dtype) {
  const WeightFormat format = format_of(dtype.value_or(config.dtype));
  const auto matrix = [&](const MatrixSpec& spec) {
    std::vector<WeightShape> shapes;
    for (const MatrixSpec::Part& part : spec.parts)
      shapes.push_back({format, part.rows, spec.in_features});
    return backend.linear_bytes(shapes, spec.bias);
  };
  const auto norm = [&](const std::string& name, int64_t size) {
    return name.empty() ? 0 : backend.tensor_bytes(DType::kF32, {size});
  };
  size_t bytes = matrix(embedding_spec(config)) + norm(kFinalNorm, config.hidden_size);
  if (!config.tie_word_embeddings) bytes += matrix(lm_head_spec(config));
  const LayerSpec layer = layer_spec(config, 0);
  size_t of_layer = 0;
  for (const MatrixSpec* spec : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down})
    of_layer += matrix(*spec);
  for (const std::string* name :
       {&layer.input_norm, &layer.mlp_norm, &layer.post_attention_norm, &layer.post_mlp_norm})
    of_layer += norm(*name, config.hidden_size);
  for (const std::string* name : {&layer.q_norm, &layer.k_norm})
    of_layer += norm(*name, config.head_dim);
  return bytes + of_layer * static_cast<size_t>(config.num_layers);
}

size_t activation_bytes(const Backend& backend, const DecoderConfig& config,
                        const DecoderLimits& limits) {
  const Widths width(config);
  const DType dtype = backend.activation_dtype();
  size_t bytes = backend.tensor_bytes(dtype, {limits.max_logit_rows, width.hidden}) +
                 backend.tensor_bytes(DType::kF32, {limits.max_logit_rows, config.vocab_size}) +
                 backend.tensor_bytes(DType::kF32, {limits.max_model_len, config.rope.rotary_dim});
  for (const int64_t columns :
       {width.hidden, width.hidden, width.qkv, width.attention, 2 * width.mlp, width.mlp})
    bytes += backend.tensor_bytes(dtype, {limits.max_tokens, columns});
  return bytes;
}

KvCacheSpec kv_cache_spec(const DecoderConfig& config, const DecoderLimits& limits) {
  return {.num_layers = config.num_layers,
          .num_blocks = limits.num_blocks,
          .block_size = limits.block_size,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim};
}

AttentionSpec attention_spec(const DecoderConfig& config, int layer) {
  return {.num_heads = config.num_heads,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim,
          .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim))),
          .window = config.layer_window[static_cast<size_t>(layer)],
          .rotary_dim = config.rope.rotary_dim,
          .interleaved = config.rope.interleaved};
}

StepLimits step_limits(const DecoderConfig& config, const DecoderLimits& limits, int max_num_seqs) {
  StepLimits result{
      .max_tokens = limits.max_tokens,
      .max_seqs = max_num_seqs,
      .max_logit_rows = limits.max_logit_rows,
      .max_model_len = limits.max_model_len,
      .vocab_size = config.vocab_size,
      .max_in_features = std::max<int64_t>({config.hidden_size, config.intermediate_size,
                                            int64_t{config.num_heads} * config.head_dim})};
  for (int layer = 0; layer < config.num_layers; ++layer)
    if (const AttentionSpec spec = attention_spec(config, layer);
        std::ranges::find(result.attention, spec) == result.attention.end())
      result.attention.push_back(spec);
  return result;
}

}  // namespace ember
