// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <ranges>

#include "weight_conversion.h"
#include "weight_specs.h"

namespace ember {

Activations make_activations(const Shard& shard, const DecoderLimits& limits,
                             DType activation_dtype, const Allocate& allocate) {
  const DecoderConfig& config = shard.part;
  const int64_t head_dim = config.head_dim, mlp = config.intermediate_size;
  const auto rows = [&](int64_t columns) {
    return allocate(activation_dtype, {limits.max_tokens, columns});
  };
  Activations a;
  a.hidden = rows(config.hidden_size);
  a.residual = rows(config.hidden_size);
  a.qkv = rows((config.num_heads + 2 * config.num_kv_heads) * head_dim);
  a.attention = rows(config.num_heads * head_dim);
  a.gate_up = rows(2 * mlp);
  a.mlp = rows(mlp);
  if (shard.num_ranks > 1 && config.qk_norm == QkNormScope::kProjection)
    a.projection = rows(shard.whole.num_heads * head_dim);
  a.last = allocate(activation_dtype, {limits.max_logit_rows, config.hidden_size});
  a.logits = allocate(DType::kF32, {limits.max_logit_rows, config.vocab_size});
  for (const RopeConfig& rope : config.ropes)
    a.cos_sin.push_back(allocate(DType::kF32, {limits.max_model_len, rope.rotary_dim}));
  return a;
}

namespace {

class WeightCounter final : public WeightVisitor {
 public:
  WeightCounter(const Backend& backend, const Shard& shard, std::optional<DType> dtype)
      : backend_(backend), config_(shard.whole), dtype_(dtype) {}

  void matrix(const MatrixSpec& spec, Linear&) override {
    std::vector<WeightShape> shapes;
    for (const TensorSpec& weight : spec.weights) {
      const WeightFormat stored = stored_format(weight),
                         loaded = loaded_format(stored, config_.dtype, dtype_, backend_);
      for (const Range& rows : weight.rows) {
        shapes.push_back({loaded, rows.size(), weight.columns.size()});
        const int64_t count = rows.size() * weight.columns.size();
        loaded_weights[loaded] += count;
        if (loaded != stored && !dtype_of(stored)) dequantized_weights[stored] += count;
      }
    }
    bytes += backend_.linear_bytes(shapes, !spec.biases.empty());
  }
  void vector(const TensorSpec& spec, Tensor&) override {
    bytes += backend_.tensor_bytes(DType::kF32, {spec.shape[0]});
  }

  size_t bytes = 0;
  // By format: as they are in memory, and as those that are blocks only in the checkpoint are
  // there.
  std::map<WeightFormat, int64_t> loaded_weights, dequantized_weights;

 private:
  WeightFormat stored_format(const TensorSpec& weight) const {
    const auto other = config_.other_formats.find(weight.name);
    return other == config_.other_formats.end() ? format_of(config_.dtype) : other->second;
  }

  const Backend& backend_;
  const DecoderConfig& config_;
  const std::optional<DType> dtype_;
};

// Those of most weights first.
std::string names_of(const std::map<WeightFormat, int64_t>& weights) {
  std::vector<std::pair<int64_t, const char*>> formats;
  for (const auto& [format, count] : weights) formats.emplace_back(-count, name_of(format));
  std::ranges::sort(formats, {}, [](const auto& f) { return f.first; });
  return fmt::format("{}", fmt::join(formats | std::views::values, ", "));
}

}  // namespace

size_t weight_bytes(const Backend& backend, const Shard& shard, std::optional<DType> dtype) {
  WeightCounter counter(backend, shard, dtype);
  DecoderWeights none;
  visit_weights(shard, none, counter);
  return counter.bytes;
}

std::string weight_formats(const Backend& backend, const Shard& shard, std::optional<DType> dtype) {
  WeightCounter counter(backend, shard, dtype);
  DecoderWeights none;
  visit_weights(shard, none, counter);
  const std::string loaded = names_of(counter.loaded_weights);
  if (counter.dequantized_weights.empty()) return loaded;
  return fmt::format("{} (from {})", loaded, names_of(counter.dequantized_weights));
}

size_t activation_bytes(const Backend& backend, const Shard& shard, const DecoderLimits& limits) {
  size_t bytes = 0;
  make_activations(shard, limits, backend.activation_dtype(),
                   [&](DType dtype, std::initializer_list<int64_t> shape) {
                     bytes += backend.tensor_bytes(dtype, shape);
                     return Tensor(nullptr, dtype, shape);
                   });
  return bytes;
}

KvCacheSpec kv_cache_spec(const Shard& shard, const DecoderLimits& limits) {
  return {.num_layers = shard.part.num_layers,
          .num_blocks = limits.num_blocks,
          .block_size = limits.block_size,
          .num_kv_heads = shard.part.num_kv_heads,
          .head_dim = shard.part.head_dim};
}

AttentionSpec attention_spec(const Shard& shard, int layer) {
  const DecoderConfig& config = shard.part;
  const int rope = config.layer_rope[static_cast<size_t>(layer)];
  AttentionSpec spec{.num_heads = config.num_heads,
                     .num_kv_heads = config.num_kv_heads,
                     .head_dim = config.head_dim,
                     .scale = config.attention_scale,
                     .softcap = config.attention_softcap,
                     .window = config.layer_window[static_cast<size_t>(layer)]};
  if (rope != DecoderConfig::kNoRope) {
    spec.rotary_dim = config.ropes[static_cast<size_t>(rope)].rotary_dim;
    spec.interleaved = config.ropes[static_cast<size_t>(rope)].interleaved;
  }
  return spec;
}

StepLimits step_limits(const Shard& shard, const DecoderLimits& limits, int max_num_seqs) {
  const DecoderConfig& config = shard.part;
  StepLimits result{
      .max_tokens = limits.max_tokens,
      .max_seqs = max_num_seqs,
      .max_logit_rows = limits.max_logit_rows,
      .max_model_len = limits.max_model_len,
      .vocab_size = config.vocab_size,
      .max_in_features = std::max<int64_t>({config.hidden_size, config.intermediate_size,
                                            int64_t{config.num_heads} * config.head_dim}),
      .summed_features = shard.num_ranks > 1 ? config.hidden_size : 0};
  for (int layer = 0; layer < config.num_layers; ++layer)
    if (const AttentionSpec spec = attention_spec(shard, layer);
        std::ranges::find(result.attention, spec) == result.attention.end())
      result.attention.push_back(spec);
  return result;
}

}  // namespace ember
