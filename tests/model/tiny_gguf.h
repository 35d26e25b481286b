// SPDX-License-Identifier: Apache-2.0
// Small checkpoints, those of tests/data/tiny above all, as GGUF files: made as the converters of
// the world make them.
#pragma once

#include <map>
#include <numbers>
#include <regex>
#include <stdexcept>

#include "ember/model/safetensors.h"
#include "model/gguf_writer.h"
#include "model/temp_model.h"

namespace ember::test {

class TinyGguf {
 public:
  bool fuse_qkv = false;  // q, k and v are one tensor

  explicit TinyGguf(const char* name) : TinyGguf(tiny_model(name)) {}
  explicit TinyGguf(const std::filesystem::path& dir)
      : config_(nlohmann::json::parse(read_file(dir / "config.json"))),
        checkpoint_(dir),
        heads_(config_["num_attention_heads"]),
        kv_heads_(config_["num_key_value_heads"]),
        head_dim_(config_.value("head_dim", config_["hidden_size"].get<int>() / heads_)) {
    static const std::map<std::string, std::string> kNames = {
        {"LlamaForCausalLM", "llama"},     {"MistralForCausalLM", "llama"},
        {"Qwen2ForCausalLM", "qwen2"},     {"Qwen3ForCausalLM", "qwen3"},
        {"GlmForCausalLM", "chatglm"},     {"Glm4ForCausalLM", "glm4"},
        {"Gemma2ForCausalLM", "gemma2"},   {"Gemma3ForCausalLM", "gemma3"},
        {"Phi3ForCausalLM", "phi3"},       {"Olmo2ForCausalLM", "olmo2"},
        {"GraniteForCausalLM", "granite"}, {"SmolLM3ForCausalLM", "smollm3"}};
    architecture_ = kNames.at(config_["architectures"][0]);
  }

  // Metadata alone, then also the tensors: matrices of `format` where their rows are whole blocks,
  // float16 otherwise; vectors are float32.
  GgufWriter metadata() const {
    GgufWriter file;
    const auto key = [&](const char* name) { return architecture_ + "." + name; };
    const auto copy = [&](const char* name, const char* field) {
      file.u32(key(name), config_[field].get<uint32_t>());
    };
    file.text("general.architecture", architecture_);
    copy("block_count", "num_hidden_layers");
    copy("embedding_length", "hidden_size");
    copy("feed_forward_length", "intermediate_size");
    copy("attention.head_count", "num_attention_heads");
    copy("attention.head_count_kv", "num_key_value_heads");
    copy("context_length", "max_position_embeddings");
    file.f32(key("attention.layer_norm_rms_epsilon"), config_["rms_norm_eps"]);
    file.u32(key("attention.key_length"), static_cast<uint32_t>(head_dim_));
    file.u32(key("attention.value_length"), static_cast<uint32_t>(head_dim_));
    if (config_.contains("sliding_window") && config_["sliding_window"].is_number())
      copy("attention.sliding_window", "sliding_window");
    add_rope(file);
    if (gemma()) add_gemma(file);
    if (architecture_ == "granite")
      for (const auto& [name, field] : {std::pair{"attention.scale", "attention_multiplier"},
                                        {"embedding_scale", "embedding_multiplier"},
                                        {"residual_scale", "residual_multiplier"},
                                        {"logit_scale", "logits_scaling"}})
        file.f32(key(name), config_[field].get<float>());
    return file;
  }

  std::string bytes(WeightFormat format) const {
    GgufWriter file = metadata();
    add_tensors(file, format);
    return file.bytes();
  }

  void add_tensors(GgufWriter& file, WeightFormat format) const {
    if (rope()["rope_type"] == "llama3") {
      const std::vector<float> divisors = llama3_divisors();
      file.tensor("rope_freqs.weight", {std::ssize(divisors)}, 0,
                  stored_as(WeightFormat::kF32, divisors));
    }
    if (rope()["rope_type"] == "longrope") add_factors(file);
    std::map<std::string, std::vector<float>> parts;  // of fused tensors
    for (const std::string& name : checkpoint_.names()) {
      const StoredTensor stored = checkpoint_.stored(name);
      const std::vector<float> values = in_file_order(name, stored);
      const std::string renamed = gguf_name(name);
      if (!fuse_qkv || !std::regex_search(renamed, std::regex("attn_[qkv]\\."))) {
        add(file, renamed, stored.shape, format, values);
        continue;
      }
      // In the order of names: k, q, v.
      parts[renamed] = values;
      const size_t at = renamed.find("attn_v.");
      if (at == std::string::npos) continue;
      const auto of = [&](char part) {
        std::string other = renamed;
        other[at + 5] = part;
        return parts.at(other);
      };
      std::vector<float> all = of('q');
      for (const char part : {'k', 'v'}) {
        const std::vector<float> more = of(part);
        all.insert(all.end(), more.begin(), more.end());
      }
      std::vector<int64_t> shape = stored.shape;
      shape[0] = (heads_ + 2 * kv_heads_) * head_dim_;
      std::string fused = renamed;
      fused.replace(at, 6, "attn_qkv");
      add(file, fused, shape, format, all);
    }
  }

 private:
  bool gemma() const { return architecture_.starts_with("gemma"); }

  // The layers' windows as bools, and what llama.cpp does not read but for the largest models.
  void add_gemma(GgufWriter& file) const {
    const auto key = [&](const char* name) { return architecture_ + "." + name; };
    std::string slides;
    for (const nlohmann::json& type : config_["layer_types"])
      slides += type == "sliding_attention" ? '\1' : '\0';
    file.array(key("attention.sliding_window_pattern"), GgufValueType::kBool, slides.size(),
               slides);
    const double scalar = config_["query_pre_attn_scalar"];
    file.f32(key("attention.scale"), static_cast<float>(1 / std::sqrt(scalar)));
    for (const auto& [name, field] : {std::pair{"attn_logit_softcapping", "attn_logit_softcapping"},
                                      {"final_logit_softcapping", "final_logit_softcapping"}})
      if (!config_[field].is_null()) file.f32(key(name), config_[field].get<float>());
  }

  // Factors of Phi-3's longrope.
  void add_factors(GgufWriter& file) const {
    for (const char* which : {"long", "short"}) {
      const std::vector<float> factors = rope()[std::string(which) + "_factor"];
      file.tensor(std::string("rope_factors_") + which + ".weight", {std::ssize(factors)}, 0,
                  stored_as(WeightFormat::kF32, factors));
    }
  }

  nlohmann::json rope() const {
    if (architecture_ == "gemma3") return config_["rope_parameters"]["full_attention"];
    if (config_.contains("rope_parameters")) return config_["rope_parameters"];
    return {{"rope_type", "default"}, {"rope_theta", config_["rope_theta"]}};
  }

  void add_rope(GgufWriter& file) const {
    const auto key = [&](const char* name) { return architecture_ + ".rope." + name; };
    file.f32(key("freq_base"), rope()["rope_theta"]);
    const double share = rope().value("partial_rotary_factor", 1.0);
    file.u32(key("dimension_count"), static_cast<uint32_t>(head_dim_ * share));
    const std::string type = rope()["rope_type"];
    if (architecture_ == "gemma3")
      file.f32(key("freq_base_swa"), config_["rope_parameters"]["sliding_attention"]["rope_theta"]);
    if (type == "longrope") {
      const double original = config_["original_max_position_embeddings"],
                   stretch = config_["max_position_embeddings"].get<double>() / original;
      file.u32(key("scaling.original_context_length"), static_cast<uint32_t>(original));
      file.f32(key("scaling.attn_factor"),
               static_cast<float>(std::sqrt(1 + std::log(stretch) / std::log(original))));
    }
    if (type != "linear" && type != "yarn") return;
    file.text(key("scaling.type"), type).f32(key("scaling.factor"), rope()["factor"]);
    if (rope().contains("original_max_position_embeddings"))
      file.u32(key("scaling.original_context_length"), rope()["original_max_position_embeddings"]);
  }

  // What llama3's scaling divides each frequency by.
  std::vector<float> llama3_divisors() const {
    const double theta = rope()["rope_theta"], factor = rope()["factor"],
                 low = rope()["low_freq_factor"], high = rope()["high_freq_factor"],
                 original = rope()["original_max_position_embeddings"];
    std::vector<float> divisors;
    for (int i = 0; i < head_dim_ / 2; ++i) {
      const double wave = 2 * std::numbers::pi * std::pow(theta, 2.0 * i / head_dim_);
      const double smooth = (original / wave - low) / (high - low);
      divisors.push_back(static_cast<float>(wave < original / high ? 1
                                            : wave > original / low
                                                ? factor
                                                : 1 / ((1 - smooth) / factor + smooth)));
    }
    return divisors;
  }

  std::string gguf_name(const std::string& name) const {
    static const std::pair<const char*, const char*> kParts[] = {
        {"model.embed_tokens", "token_embd"},
        {"model.norm", "output_norm"},
        {"lm_head", "output"},
        {"model.layers.", "blk."},
        {"self_attn.qkv_proj", "attn_qkv"},
        {"self_attn.q_proj", "attn_q"},
        {"self_attn.k_proj", "attn_k"},
        {"self_attn.v_proj", "attn_v"},
        {"self_attn.o_proj", "attn_output"},
        {"self_attn.q_norm", "attn_q_norm"},
        {"self_attn.k_norm", "attn_k_norm"},
        {"mlp.gate_up_proj", "ffn_up"},
        {"mlp.gate_proj", "ffn_gate"},
        {"mlp.up_proj", "ffn_up"},
        {"mlp.down_proj", "ffn_down"},
        {"input_layernorm", "attn_norm"},
        {"post_self_attn_layernorm", "post_attention_norm"},
        {"post_attention_layernorm", "ffn_norm"},
        {"post_mlp_layernorm", "post_ffw_norm"},
        {"pre_feedforward_layernorm", "ffn_norm"},
        {"post_feedforward_layernorm", "post_ffw_norm"}};
    std::string renamed = name;
    if (const size_t at = name.find("post_attention_layernorm");
        at != std::string::npos && (gemma() || architecture_ == "olmo2"))
      renamed.replace(at, std::string_view("post_attention_layernorm").size(),
                      "post_self_attn_layernorm");
    for (const auto& [from, to] : kParts)
      if (const size_t at = renamed.find(from); at != std::string::npos)
        renamed.replace(at, std::string_view(from).size(), to);
    return renamed;
  }

  // llama's converter puts the halves of each head of q and k side by side; Gemma's adds 1 to the
  // weights of norms.
  std::vector<float> in_file_order(const std::string& name, const StoredTensor& stored) const {
    const auto rows = static_cast<size_t>(stored.shape[0]);
    const size_t columns = stored.shape.size() < 2 ? 1 : static_cast<size_t>(stored.shape[1]);
    const bool llama =
        architecture_ == "llama" || architecture_ == "granite" || architecture_ == "smollm3";
    const bool paired = llama && std::regex_search(name, std::regex("[qk]_proj"));
    const float offset = gemma() && name.ends_with("norm.weight") ? 1 : 0;
    const auto dim = static_cast<size_t>(head_dim_);
    std::vector<float> values;
    for (size_t row = 0; row < rows; ++row) {
      const size_t head = row / dim, i = row % dim / 2, s = row % 2;
      const size_t from = paired ? head * dim + s * dim / 2 + i : row;
      for (size_t c = 0; c < columns; ++c)
        values.push_back(offset + element_to_float(dtype_of(*stored.format).value(), stored.data,
                                                   from * columns + c));
    }
    return values;
  }

  static void add(GgufWriter& file, const std::string& name, const std::vector<int64_t>& shape,
                  WeightFormat format, const std::vector<float>& values) {
    const bool whole = shape.back() % info_of(format).block_weights == 0;
    const WeightFormat of_tensor = shape.size() < 2 ? WeightFormat::kF32
                                   : whole          ? format
                                                    : WeightFormat::kF16;
    file.tensor(name, shape, gguf_type(of_tensor), stored_as(of_tensor, values));
  }

  const nlohmann::json config_;
  const SafetensorsCheckpoint checkpoint_;
  const int heads_, kv_heads_, head_dim_;
  std::string architecture_;
};

}  // namespace ember::test
