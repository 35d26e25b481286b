// SPDX-License-Identifier: Apache-2.0
#include "weight_specs.h"

namespace ember {

namespace {

// A tensor of a matrix: its rows, and which of them the rank has.
struct Part {
  Role role;
  int64_t rows;
  std::vector<Range> own;
};

// The specs of one layer, or of what lies outside of layers.
struct Specs {
  const DecoderConfig& config;
  int layer = 0;

  // columns: those that the rank has of so many.
  MatrixSpec matrix(const std::vector<Part>& parts, int64_t num_columns, Range columns, bool bias,
                    const Partition& partition) const {
    MatrixSpec spec{.partition = partition};
    for (const auto& [role, rows, own] : parts) {
      const std::string name = name_of(role);
      const bool paired = config.paired_qk_rows && (role == Role::kQ || role == Role::kK);
      const int paired_rows = paired ? config.head_dim : 0;
      spec.weights.push_back({.role = role,
                              .name = name + ".weight",
                              .shape = {rows, num_columns},
                              .paired_rows = paired_rows,
                              .rows = own,
                              .columns = columns});
      if (bias)
        spec.biases.push_back({.role = role,
                               .name = name + ".bias",
                               .shape = {rows},
                               .bias = true,
                               .paired_rows = paired_rows,
                               .rows = own,
                               .columns = {0, 1}});
    }
    return spec;
  }
  // Of hidden_size columns, all of which each rank has.
  MatrixSpec of_hidden(const std::vector<Part>& parts, bool bias, Split split) const {
    return matrix(parts, config.hidden_size, {0, config.hidden_size}, bias, {.split = split});
  }
  // Of all rows.
  MatrixSpec to_hidden(Role role, int64_t num_columns, Range columns, bool bias,
                       const Partition& partition) const {
    return matrix({{role, config.hidden_size, {{0, config.hidden_size}}}}, num_columns, columns,
                  bias, partition);
  }
  // Weights of a norm.
  TensorSpec norm(Role role, int64_t size) const {
    return {.role = role,
            .name = name_of(role) + ".weight",
            .shape = {size},
            .offset = config.norm_offset};
  }
  std::string name_of(Role role) const { return tensor_name(config, role, layer); }
};

Range times(Range range, int64_t n) { return {range.begin * n, range.end * n}; }
Range after(int64_t begin, Range range) { return {begin + range.begin, begin + range.end}; }

MatrixSpec qkv_spec(const Specs& specs, const Shard& shard) {
  const DecoderConfig& c = shard.whole;
  const int64_t q = int64_t{c.num_heads} * c.head_dim, kv = int64_t{c.num_kv_heads} * c.head_dim;
  const Range heads = times(shard.heads, c.head_dim), kv_heads = times(shard.kv_heads, c.head_dim);
  const std::vector<Part> qkv =
      c.fused_qkv
          ? std::vector<Part>{{Role::kQkv,
                               q + 2 * kv,
                               {heads, after(q, kv_heads), after(q + kv, kv_heads)}}}
          : std::vector<Part>{
                {Role::kQ, q, {heads}}, {Role::kK, kv, {kv_heads}}, {Role::kV, kv, {kv_heads}}};
  return specs.of_hidden(qkv, c.qkv_bias, Split::kOutputs);
}

MatrixSpec gate_up_spec(const Specs& specs, const Shard& shard) {
  const DecoderConfig& c = shard.whole;
  const int64_t mlp = c.intermediate_size;
  const Range columns = shard.mlp_columns;
  const std::vector<Part> gate_up =
      c.fused_gate_up
          ? std::vector<Part>{{Role::kGateUp, 2 * mlp, {columns, after(mlp, columns)}}}
          : std::vector<Part>{{Role::kGate, mlp, {columns}}, {Role::kUp, mlp, {columns}}};
  MatrixSpec spec = specs.of_hidden(gate_up, c.mlp_bias, Split::kOutputs);
  spec.gated = true;
  return spec;
}

void visit_norms(const Specs& specs, LayerWeights& layer, WeightVisitor& visitor) {
  const DecoderConfig& c = specs.config;
  const int64_t hidden = c.hidden_size;
  if (c.norm_placement != NormPlacement::kPost) {
    visitor.vector(specs.norm(Role::kInputNorm, hidden), layer.input_norm);
    visitor.vector(specs.norm(Role::kMlpNorm, hidden), layer.mlp_norm);
  }
  if (c.norm_placement != NormPlacement::kPre) {
    visitor.vector(specs.norm(Role::kPostAttentionNorm, hidden), layer.post_attention_norm);
    visitor.vector(specs.norm(Role::kPostMlpNorm, hidden), layer.post_mlp_norm);
  }
  if (c.qk_norm != QkNormScope::kNone) {
    const bool heads = c.qk_norm == QkNormScope::kHead;
    visitor.vector(specs.norm(Role::kQNorm, heads ? c.head_dim : c.num_heads * c.head_dim),
                   layer.q_norm);
    visitor.vector(specs.norm(Role::kKNorm, heads ? c.head_dim : c.num_kv_heads * c.head_dim),
                   layer.k_norm);
  }
}

void visit_layer(const Specs& specs, const Shard& shard, LayerWeights& layer,
                 WeightVisitor& visitor) {
  const DecoderConfig& c = shard.whole;
  visitor.matrix(qkv_spec(specs, shard), layer.qkv);
  visitor.matrix(specs.to_hidden(Role::kOutput, int64_t{c.num_heads} * c.head_dim,
                                 times(shard.heads, c.head_dim), c.output_bias, shard.output),
                 layer.output);
  visitor.matrix(gate_up_spec(specs, shard), layer.gate_up);
  visitor.matrix(
      specs.to_hidden(Role::kDown, c.intermediate_size, shard.mlp_columns, c.mlp_bias, shard.down),
      layer.down);
  visit_norms(specs, layer, visitor);
}

class Collector final : public WeightVisitor {
 public:
  void matrix(const MatrixSpec& spec, Linear&) override {
    for (size_t i = 0; i < spec.weights.size(); ++i) {
      tensors.push_back(spec.weights[i]);
      if (!spec.biases.empty()) tensors.push_back(spec.biases[i]);
    }
  }
  void vector(const TensorSpec& spec, Tensor&) override { tensors.push_back(spec); }

  std::vector<TensorSpec> tensors;
};

}  // namespace

void visit_weights(const Shard& shard, DecoderWeights& weights, WeightVisitor& visitor) {
  const DecoderConfig& config = shard.whole;
  const Specs specs{config};
  const auto table = [&](Role role) {
    return specs.of_hidden({{role, config.vocab_size, {shard.vocabulary}}}, false, Split::kVocab);
  };
  const MatrixSpec embedding = table(Role::kEmbedding), lm_head = table(Role::kLmHead);
  visitor.matrix(embedding, weights.embedding);
  weights.layers.resize(static_cast<size_t>(config.num_layers));
  for (int i = 0; i < config.num_layers; ++i)
    visit_layer({config, i}, shard, weights.layers[static_cast<size_t>(i)], visitor);
  visitor.vector(specs.norm(Role::kFinalNorm, config.hidden_size), weights.final_norm);
  if (config.tie_word_embeddings) {
    weights.lm_head = weights.embedding;
    visitor.tied(lm_head.weights[0], embedding.weights[0]);
  } else {
    visitor.matrix(lm_head, weights.lm_head);
  }
}

std::vector<TensorSpec> required_tensors(const DecoderConfig& config) {
  Collector collector;
  DecoderWeights none;
  visit_weights(config, none, collector);
  return std::move(collector.tensors);
}

std::map<std::string, WeightFormat, std::less<>> stored_formats(const Checkpoint& checkpoint,
                                                                const DecoderConfig& config) {
  std::map<std::string, WeightFormat, std::less<>> formats;
  for (const TensorSpec& spec : required_tensors(config)) {
    if (spec.shape.size() < 2 || !checkpoint.has(spec.name)) continue;
    const StoredTensor stored = checkpoint.stored(spec.name);
    if (stored.format && stored.shape == spec.shape) formats[spec.name] = *stored.format;
  }
  return formats;
}

}  // namespace ember
