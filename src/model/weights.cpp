// SPDX-License-Identifier: Apache-2.0
#include "weights.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <set>

#include "ember/base/log.h"
#include "ember/model/check.h"
#include "json_object.h"

namespace ember {

int64_t MatrixSpec::out_features() const {
  int64_t rows = 0;
  for (const Part& part : parts) rows += part.rows;
  return rows;
}

LayerSpec layer_spec(const DecoderConfig& config, int layer) {
  const std::string base = fmt::format("model.layers.{}.", layer), attention = base + "self_attn.",
                    mlp = base + "mlp.";
  const int64_t head_dim = config.head_dim, hidden = config.hidden_size,
                inner = config.intermediate_size;
  const int64_t q = config.num_heads * head_dim, kv = config.num_kv_heads * head_dim;
  LayerSpec spec;
  spec.qkv = {{{attention + "q_proj", q}, {attention + "k_proj", kv}, {attention + "v_proj", kv}},
              hidden,
              config.qkv_bias,
              Split::kOutputs};
  spec.output = {{{attention + "o_proj", hidden}}, q, config.output_bias, Split::kInputs};
  spec.gate_up = {{{mlp + "gate_proj", inner}, {mlp + "up_proj", inner}},
                  hidden,
                  config.mlp_bias,
                  Split::kOutputs};
  if (config.fused_gate_up) spec.gate_up.parts = {{mlp + "gate_up_proj", 2 * inner}};
  spec.down = {{{mlp + "down_proj", hidden}}, inner, config.mlp_bias, Split::kInputs};
  spec.input_norm = base + "input_layernorm.weight";
  spec.mlp_norm = base + "post_attention_layernorm.weight";
  if (config.qk_norm) {
    spec.q_norm = attention + "q_norm.weight";
    spec.k_norm = attention + "k_norm.weight";
  }
  if (config.sandwich_norms) {
    spec.post_attention_norm = base + "post_self_attn_layernorm.weight";
    spec.post_mlp_norm = base + "post_mlp_layernorm.weight";
  }
  return spec;
}

MatrixSpec embedding_spec(const DecoderConfig& config) {
  return {{{"model.embed_tokens", config.vocab_size}}, config.hidden_size, false, Split::kVocab};
}
MatrixSpec lm_head_spec(const DecoderConfig& config) {
  return {{{"lm_head", config.vocab_size}}, config.hidden_size, false, Split::kVocab};
}

namespace {

// Looks tensors up as loading does and remembers which were wanted.
class Inventory {
 public:
  explicit Inventory(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  void matrix(const MatrixSpec& spec) {
    for (const MatrixSpec::Part& part : spec.parts) {
      tensor(part.name + ".weight", {part.rows, spec.in_features});
      if (spec.bias) tensor(part.name + ".bias", {part.rows});
    }
  }
  void tensor(const std::string& name, const std::vector<int64_t>& shape) {
    if (name.empty()) return;
    checkpoint_.tensor(name, shape);
    wanted_.insert(name);
  }
  void warn_of_others() const {
    size_t others = 0;
    std::string first;
    for (const std::string& name : checkpoint_.names()) {
      if (wanted_.contains(name) || name.ends_with("rotary_emb.inv_freq")) continue;
      if (others++ == 0) first = name;
    }
    if (others > 0)
      spdlog::warn("{} tensors of the checkpoint are not used, e.g. \"{}\"", others, first);
  }

 private:
  const Checkpoint& checkpoint_;
  std::set<std::string> wanted_;
};

void check_tied_output(const Checkpoint& checkpoint, const DecoderConfig& config,
                       Inventory& inventory) {
  const MatrixSpec spec = lm_head_spec(config);
  const std::string name = spec.parts[0].name + ".weight",
                    embedding = embedding_spec(config).parts[0].name + ".weight";
  if (!config.tie_word_embeddings) return inventory.matrix(spec);
  if (!checkpoint.has(name)) return;
  inventory.matrix(spec);
  const Checkpoint::Raw a = checkpoint.raw(name), b = checkpoint.raw(embedding);
  if (a.dtype != b.dtype || a.bytes != b.bytes || std::memcmp(a.data, b.data, a.bytes) != 0)
    bad_model(checkpoint.file_of(name),
              fmt::format("tensor \"{}\" differs from \"{}\", to which config.json ties it", name,
                          embedding));
}

}  // namespace

void check_tensors(const Checkpoint& checkpoint, const DecoderConfig& config) {
  Inventory inventory(checkpoint);
  inventory.matrix(embedding_spec(config));
  for (int i = 0; i < config.num_layers; ++i) {
    const LayerSpec layer = layer_spec(config, i);
    for (const MatrixSpec* matrix : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down})
      inventory.matrix(*matrix);
    for (const std::string* norm :
         {&layer.input_norm, &layer.mlp_norm, &layer.post_attention_norm, &layer.post_mlp_norm})
      inventory.tensor(*norm, {config.hidden_size});
    for (const std::string* norm : {&layer.q_norm, &layer.k_norm})
      inventory.tensor(*norm, {config.head_dim});
  }
  inventory.tensor(kFinalNorm, {config.hidden_size});
  check_tied_output(checkpoint, config, inventory);
  inventory.warn_of_others();
}

WeightLoader::WeightLoader(Backend& backend, const DecoderConfig& config,
                           const Checkpoint& checkpoint, const LoadOptions& options)
    : backend_(backend),
      checkpoint_(checkpoint),
      options_(options),
      dummy_dtype_(options.dtype.value_or(config.dtype)),
      bytes_total_(options.dummy_seed ? weight_bytes(backend, config, options.dtype)
                                      : checkpoint.total_bytes()) {
  if (options.dummy_seed) dummy_.emplace(*options.dummy_seed);
}

void WeightLoader::count(const Tensor& tensor) {
  bytes_done_ += tensor.bytes();
  if (options_.progress) options_.progress(bytes_done_, bytes_total_);
}

Tensor WeightLoader::fetch(const std::string& name, const std::vector<int64_t>& shape,
                           std::vector<uint8_t>& copy) const {
  if (dummy_) return dummy_->tensor(name, shape, dummy_dtype_, copy);
  Tensor tensor = checkpoint_.tensor(name, shape);
  if (reinterpret_cast<uintptr_t>(tensor.data) % size_of(tensor.dtype) == 0) return tensor;
  const auto* bytes = tensor.as<uint8_t>();
  copy.assign(bytes, bytes + tensor.bytes());
  tensor.data = copy.data();
  return tensor;
}

Tensor WeightLoader::converted(Tensor tensor, const std::string& name,
                               std::vector<uint8_t>& storage) const {
  if (!options_.dtype || *options_.dtype == tensor.dtype) return tensor;
  Tensor result = tensor;
  result.dtype = *options_.dtype;
  storage.resize(result.bytes());
  result.data = storage.data();
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    const float value = element_to_float(tensor.dtype, tensor.data, static_cast<size_t>(i));
    if (result.dtype == DType::kF32) {
      result.as<float>()[i] = value;
      continue;
    }
    const bool half = result.dtype == DType::kF16;
    const uint16_t bits = half ? float_to_f16(value) : float_to_bf16(value);
    if (std::isfinite(value) && !std::isfinite(half ? f16_to_float(bits) : bf16_to_float(bits)))
      bad_model(checkpoint_.file_of(name),
                fmt::format("tensor \"{}\" holds {}, too large for --dtype {}", name, value,
                            name_of(result.dtype)));
    result.as<uint16_t>()[i] = bits;
  }
  return result;
}

Linear WeightLoader::matrix(const MatrixSpec& spec, bool gated) {
  std::vector<WeightView> weights;
  std::vector<Tensor> biases;
  std::vector<std::vector<uint8_t>> storage(spec.parts.size()), weight_copies(spec.parts.size()),
      bias_copies(spec.parts.size());
  for (size_t i = 0; i < spec.parts.size(); ++i) {
    const auto& [name, rows] = spec.parts[i];
    const Tensor weight = fetch(name + ".weight", {rows, spec.in_features}, weight_copies[i]);
    weights.push_back(weight_view(converted(weight, name + ".weight", storage[i])));
    if (spec.bias) biases.push_back(fetch(name + ".bias", {rows}, bias_copies[i]));
    count(weight);
  }
  return backend_.make_linear(weights, biases, spec.split, gated);
}

Tensor WeightLoader::vector(const std::string& name, int64_t size) {
  if (name.empty()) return {};
  std::vector<uint8_t> copy;
  const Tensor tensor = fetch(name, {size}, copy);
  count(tensor);
  return backend_.upload(tensor);
}

}  // namespace ember
