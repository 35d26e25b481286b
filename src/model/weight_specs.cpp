// SPDX-License-Identifier: Apache-2.0
#include "weight_specs.h"

namespace ember {

namespace {

struct Part {
  Role role;
  int64_t rows;
};

// The specs of one layer, or of what lies outside of layers.
struct Specs {
  const DecoderConfig& config;
  int layer = 0;

  MatrixSpec matrix(const std::vector<Part>& parts, int64_t columns, bool bias, Split split) const {
    MatrixSpec spec{.split = split};
    for (const auto& [role, rows] : parts) {
      const std::string name = name_of(role);
      const bool paired = config.paired_qk_rows && (role == Role::kQ || role == Role::kK);
      const int paired_rows = paired ? config.head_dim : 0;
      spec.weights.push_back({.role = role,
                              .name = name + ".weight",
                              .shape = {rows, columns},
                              .paired_rows = paired_rows});
      if (bias)
        spec.biases.push_back({.role = role,
                               .name = name + ".bias",
                               .shape = {rows},
                               .bias = true,
                               .paired_rows = paired_rows});
    }
    return spec;
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

void visit_layer(const Specs& specs, LayerWeights& layer, WeightVisitor& visitor) {
  const DecoderConfig& c = specs.config;
  const int64_t hidden = c.hidden_size, mlp = c.intermediate_size, head_dim = c.head_dim,
                q = c.num_heads * head_dim, kv = c.num_kv_heads * head_dim;
  const std::vector<Part> qkv =
      c.fused_qkv ? std::vector<Part>{{Role::kQkv, q + 2 * kv}}
                  : std::vector<Part>{{Role::kQ, q}, {Role::kK, kv}, {Role::kV, kv}};
  visitor.matrix(specs.matrix(qkv, hidden, c.qkv_bias, Split::kOutputs), layer.qkv);
  visitor.matrix(specs.matrix({{Role::kOutput, hidden}}, q, c.output_bias, Split::kInputs),
                 layer.output);
  MatrixSpec gate_up = c.fused_gate_up ? specs.matrix({{Role::kGateUp, 2 * mlp}}, hidden,
                                                      c.mlp_bias, Split::kOutputs)
                                       : specs.matrix({{Role::kGate, mlp}, {Role::kUp, mlp}},
                                                      hidden, c.mlp_bias, Split::kOutputs);
  gate_up.gated = true;
  visitor.matrix(gate_up, layer.gate_up);
  visitor.matrix(specs.matrix({{Role::kDown, hidden}}, mlp, c.mlp_bias, Split::kInputs),
                 layer.down);
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
    visitor.vector(specs.norm(Role::kQNorm, heads ? head_dim : q), layer.q_norm);
    visitor.vector(specs.norm(Role::kKNorm, heads ? head_dim : kv), layer.k_norm);
  }
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

void visit_weights(const DecoderConfig& config, DecoderWeights& weights, WeightVisitor& visitor) {
  const Specs specs{config};
  const MatrixSpec embedding = specs.matrix({{Role::kEmbedding, config.vocab_size}},
                                            config.hidden_size, false, Split::kVocab),
                   lm_head = specs.matrix({{Role::kLmHead, config.vocab_size}}, config.hidden_size,
                                          false, Split::kVocab);
  visitor.matrix(embedding, weights.embedding);
  weights.layers.resize(static_cast<size_t>(config.num_layers));
  for (int i = 0; i < config.num_layers; ++i)
    visit_layer({config, i}, weights.layers[static_cast<size_t>(i)], visitor);
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
