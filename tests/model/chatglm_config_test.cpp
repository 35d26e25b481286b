// SPDX-License-Identifier: Apache-2.0
#include "chatglm_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/check.h"
#include "ember/model/safetensors.h"
#include "model/model_runner.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The tiny GLM, whose weights are those of ChatGLM's code under other names.
class ChatGlm : public TempModel {
 public:
  ChatGlm() : TempModel("glm") {
    edit_checkpoint(rename);
    edit_config([](nlohmann::json& config) {
      config = {{"architectures", {"ChatGLMModel"}},
                {"num_layers", config["num_hidden_layers"]},
                {"hidden_size", config["hidden_size"]},
                {"ffn_hidden_size", config["intermediate_size"]},
                {"num_attention_heads", config["num_attention_heads"]},
                {"kv_channels", config["head_dim"]},
                {"multi_query_attention", true},
                {"multi_query_group_num", config["num_key_value_heads"]},
                {"padded_vocab_size", config["vocab_size"]},
                {"vocab_size", config["vocab_size"].get<int>() - 3},
                {"seq_length", config["max_position_embeddings"]},
                {"layernorm_epsilon", config["rms_norm_eps"]},
                {"add_qkv_bias", true},
                {"add_bias_linear", false},
                {"rmsnorm", true},
                {"original_rope", true},
                {"post_layer_norm", true},
                {"pre_seq_len", nullptr},
                {"eos_token_id", 2},
                {"torch_dtype", "bfloat16"}};
    });
  }

  std::vector<float> logits() const {
    const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
    const DecoderConfig config = load_decoder_config(path());
    const SafetensorsCheckpoint checkpoint(path());
    check_tensors(checkpoint, config);
    Decoder decoder(*backend, config, checkpoint, {});
    return logits_of(*backend, decoder);
  }
  static std::vector<float> logits_of(Backend& backend, Decoder& decoder) {
    ModelRunner runner(backend, decoder,
                       {.max_tokens = 32,
                        .max_logit_rows = 32,
                        .max_model_len = 64,
                        .num_blocks = 4,
                        .block_size = 16});
    std::vector<int32_t> tokens;
    for (int i = 0; i < 30; ++i) tokens.push_back((i * 37 + 5) % 120);
    return runner.forward(tokens, 30);
  }

 private:
  static void rename(nlohmann::json& header, std::string& data) {
    nlohmann::json renamed;
    std::string bytes;
    const auto add = [&](const std::string& name, const std::vector<std::string>& parts) {
      nlohmann::json entry = header[parts[0]];
      const size_t begin = bytes.size();
      int64_t rows = 0;
      for (const std::string& part : parts) {
        const size_t from = header[part]["data_offsets"][0], to = header[part]["data_offsets"][1];
        bytes += data.substr(from, to - from);
        rows += header[part]["shape"][0].get<int64_t>();
      }
      entry["shape"][0] = rows;
      entry["data_offsets"] = {begin, bytes.size()};
      renamed[name] = entry;
    };
    add("transformer.embedding.word_embeddings.weight", {"model.embed_tokens.weight"});
    add("transformer.encoder.final_layernorm.weight", {"model.norm.weight"});
    add("transformer.output_layer.weight", {"lm_head.weight"});
    for (const char* layer : {"0", "1"}) {
      const std::string from = std::string("model.layers.") + layer + ".",
                        to = std::string("transformer.encoder.layers.") + layer + ".";
      for (const char* kind : {"weight", "bias"}) {
        const std::string attention = from + "self_attn.", end = std::string("_proj.") + kind;
        add(to + "self_attention.query_key_value." + kind,
            {attention + "q" + end, attention + "k" + end, attention + "v" + end});
      }
      add(to + "self_attention.dense.weight", {from + "self_attn.o_proj.weight"});
      add(to + "mlp.dense_h_to_4h.weight", {from + "mlp.gate_up_proj.weight"});
      add(to + "mlp.dense_4h_to_h.weight", {from + "mlp.down_proj.weight"});
      for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"})
        add(to + norm, {from + norm});
    }
    header = renamed;
    data = bytes;
  }
};

TEST(ChatGlmConfig, GivesTheBitsOfTheSameWeightsInTheOtherLayout) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  Decoder glm(*backend, load_decoder_config(tiny_model("glm")),
              SafetensorsCheckpoint(tiny_model("glm")), {});
  const std::vector<float> expected = ChatGlm::logits_of(*backend, glm);
  const ChatGlm model;
  EXPECT_EQ(model.logits(), expected);
  model.set("architectures", {"ChatGLMForConditionalGeneration"});
  EXPECT_EQ(model.logits(), expected);
}

TEST(ChatGlmConfig, FieldsHaveTheirMeaning) {
  const ChatGlm model;
  const DecoderConfig config = load_decoder_config(model.path());
  EXPECT_EQ(std::tuple(config.num_kv_heads, config.head_dim, config.vocab_size, config.max_position,
                       config.dtype),
            std::tuple(2, 16, 128, 128, DType::kBF16));
  EXPECT_EQ(std::tuple(config.qkv_bias, config.output_bias, config.mlp_bias),
            std::tuple(true, false, false));
  EXPECT_EQ(std::tuple(config.ropes[0].theta, config.ropes[0].rotary_dim), std::tuple(10000.0, 8));
  model.edit_config([](nlohmann::json& c) {
    c["rope_ratio"] = 500;
    c["add_bias_linear"] = true;
    c["rope_theta"] = 7;  // not a field of this layout
  });
  const DecoderConfig other = load_decoder_config(model.path());
  EXPECT_EQ(other.ropes[0].theta, 5e6);
  EXPECT_EQ(std::tuple(other.qkv_bias, other.output_bias, other.mlp_bias),
            std::tuple(true, true, true));
}

TEST(ChatGlmConfig, VariantsAndBadFieldsAreNamedAsTheFileDoes) {
  const std::pair<const char*, nlohmann::json> cases[] = {
      {"rmsnorm", false},
      {"original_rope", false},
      {"post_layer_norm", false},
      {"apply_residual_connection_post_layernorm", true},
      {"multi_query_attention", false},    // its q, k and v are in another order
      {"multi_query_attention", nullptr},  // which is false
      {"pre_seq_len", 128},
      {"quantization_bit", 4},
      {"vision_config", {{"hidden_size", 64}}},
      {"num_layers", 0},
      {"ffn_hidden_size", "80"},
      {"kv_channels", 15},
      {"padded_vocab_size", nullptr},
      {"multi_query_group_num", 3},
      {"seq_length", -1},
      {"layernorm_epsilon", 2},
      {"rope_ratio", 0}};
  for (const auto& [field, value] : cases) {
    const ChatGlm model;
    model.set(field, value);
    EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }),
                AllOf(HasSubstr("config.json"), HasSubstr("\"" + std::string(field) + "\"")))
        << value;
  }
}

}  // namespace
}  // namespace ember
