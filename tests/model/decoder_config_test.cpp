// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"

namespace ember {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

TEST(DecoderConfig, ReadsShapesAndRope) {
  const DecoderConfig c = load_decoder_config(tiny_model("llama3"));
  EXPECT_EQ(c.architecture, "LlamaForCausalLM");
  EXPECT_EQ(c.num_layers, 2);
  EXPECT_EQ(c.hidden_size, 64);
  EXPECT_EQ(c.intermediate_size, 80);
  EXPECT_EQ(c.num_heads, 4);
  EXPECT_EQ(c.num_kv_heads, 2);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.vocab_size, 128);
  EXPECT_FLOAT_EQ(c.norm_eps, 1e-5f);
  EXPECT_EQ(c.dtype, DType::kBF16);
  EXPECT_EQ(c.ropes[0].scaling, RopeScaling::kLlama3);
  EXPECT_EQ(c.ropes[0].theta, 500000);
  EXPECT_EQ(c.ropes[0].factor, 8);
  EXPECT_EQ(c.ropes[0].original_max_position, 32);
  EXPECT_EQ(c.max_position, 128) << "llama3 gives the long context itself";
}

// The same settings as transformers 4 writes them.
TEST(DecoderConfig, OldSpellingsMeanTheSame) {
  for (const char* name :
       {"llama3", "llama_linear", "llama_dynamic", "llama_yarn_mscale", "qwen3", "glm4"}) {
    const TempModel model(name);
    const DecoderConfig now = load_decoder_config(model.path());
    model.edit_config([](json& config) {
      json rope = config["rope_parameters"];
      config.erase("rope_parameters");
      config["rope_theta"] = rope["rope_theta"];
      if (rope.contains("partial_rotary_factor"))
        config["partial_rotary_factor"] = rope["partial_rotary_factor"];
      rope.erase("rope_theta"), rope.erase("partial_rotary_factor");
      rope["type"] = rope["rope_type"];
      rope.erase("rope_type");
      config["rope_scaling"] = rope["type"] == "default" ? json() : rope;
      config["torch_dtype"] = config["dtype"];
      config.erase("dtype");
    });
    const DecoderConfig old = load_decoder_config(model.path());
    EXPECT_EQ(old.ropes[0].theta, now.ropes[0].theta) << name;
    EXPECT_EQ(old.ropes[0].scaling, now.ropes[0].scaling) << name;
    EXPECT_EQ(old.ropes[0].factor, now.ropes[0].factor) << name;
    EXPECT_EQ(old.ropes[0].rotary_dim, now.ropes[0].rotary_dim) << name;
    EXPECT_EQ(old.ropes[0].mscale_all_dim, now.ropes[0].mscale_all_dim) << name;
    EXPECT_EQ(old.ropes[0].original_max_position, now.ropes[0].original_max_position) << name;
    EXPECT_EQ(old.max_position, now.max_position) << name;
    EXPECT_EQ(old.dtype, now.dtype) << name;
  }
}

TEST(DecoderConfig, ScalingExtendsTheContext) {
  EXPECT_EQ(load_decoder_config(tiny_model("llama_linear")).max_position, 128);
  EXPECT_EQ(load_decoder_config(tiny_model("llama_dynamic")).max_position, 128);
  EXPECT_EQ(load_decoder_config(tiny_model("llama_yarn")).max_position, 128);
}

TEST(DecoderConfig, BadFieldsAreNamed) {
  const struct {
    const char* field;
    std::vector<json> values;
  } cases[] = {{"hidden_size", {0, -1, int64_t{1} << 31, "4096", 1e30, json()}},
               {"num_hidden_layers", {0, 1000000, json()}},
               {"num_attention_heads", {0, 2.5}},
               {"num_key_value_heads", {0, 5, 3}},
               {"intermediate_size", {0, json()}},
               {"vocab_size", {0, -5, json()}},
               {"head_dim", {0, 15, 4096}},
               {"max_position_embeddings", {0, int64_t{1} << 40}},
               {"rms_norm_eps", {-1, "x"}},
               {"hidden_act", {"gelu"}},
               {"dtype", {"int4", 7}},
               {"tie_word_embeddings", {1, "yes"}},
               {"architectures", {json(), json::array(), "LlamaForCausalLM", json::array({7})}}};
  for (const auto& c : cases)
    for (const json& value : c.values) {
      const TempModel model;
      model.set(c.field, value);
      EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }),
                  AllOf(HasSubstr("config.json"), HasSubstr(c.field)))
          << c.field << " = " << value;
    }
}

TEST(DecoderConfig, WithoutAHeadDimTheHeadsDivideTheHiddenSize) {
  const TempModel model;
  model.edit_config([](json& config) { config.erase("head_dim"); });
  EXPECT_EQ(load_decoder_config(model.path()).head_dim, 16);
  model.set("hidden_size", 65);
  EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }),
              HasSubstr("a multiple of num_attention_heads 4"));
}

TEST(DecoderConfig, BadRopeIsNamed) {
  const std::pair<const char*, json> cases[] = {
      {"rope_theta", {{"rope_type", "default"}, {"rope_theta", 0}}},
      {"rope_theta", {{"rope_type", "default"}, {"rope_theta", "NaN"}}},
      {"rope_type", {{"rope_type", "axial"}, {"rope_theta", 1e4}}},
      {"short_factor", {{"rope_type", "longrope"}, {"rope_theta", 1e4}}},
      {"long_factor",
       {{"rope_type", "longrope"},
        {"rope_theta", 1e4},
        {"short_factor", json(8, 1.0)},
        {"long_factor", json(7, 1.0)}}},
      {"long_factor",
       {{"rope_type", "longrope"},
        {"rope_theta", 1e4},
        {"short_factor", json(8, 1.0)},
        {"long_factor", json(8, 0.0)}}},
      {"factor", {{"rope_type", "linear"}, {"rope_theta", 1e4}}},
      {"factor", {{"rope_type", "dynamic"}, {"rope_theta", 1e4}, {"factor", 0.5}}},
      {"low_freq_factor", {{"rope_type", "llama3"}, {"rope_theta", 1e4}, {"factor", 8}}},
      {"high_freq_factor",
       {{"rope_type", "llama3"},
        {"rope_theta", 1e4},
        {"factor", 8},
        {"low_freq_factor", 4},
        {"high_freq_factor", 4}}},
      {"rotated dimensions",
       {{"rope_type", "default"}, {"rope_theta", 1e4}, {"partial_rotary_factor", 0.2}}}};
  for (const auto& [field, rope] : cases) {
    const TempModel model;
    model.set("rope_parameters", rope);
    EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }), HasSubstr(field)) << rope;
  }
}

TEST(DecoderConfig, QuantizedWeightsThatAreNotSupportedAreRefused) {
  const TempModel model;
  model.set("quantization_config", {{"quant_method", "bitsandbytes"}});
  EXPECT_THAT(
      refusal([&] { load_decoder_config(model.path()); }),
      AllOf(HasSubstr("\"quantization_config.quant_method\""),
            HasSubstr("expected awq, gptq, compressed-tensors or fp8"), HasSubstr("bitsandbytes")));
}

TEST(GenerationDefaults, AreReadWithConfigAsFallback) {
  const TempModel model;
  const DecoderConfig config = load_decoder_config(model.path());
  GenerationDefaults defaults = load_generation_defaults(model.path(), config);
  EXPECT_EQ(defaults.eos_token_ids, (std::vector<int32_t>{2, 3}));
  EXPECT_FLOAT_EQ(*defaults.temperature, 0.6f);
  EXPECT_FLOAT_EQ(*defaults.top_p, 0.95f);
  EXPECT_FALSE(defaults.top_k.has_value());
  std::filesystem::remove(model / "generation_config.json");
  model.set("eos_token_id", 9);
  defaults = load_generation_defaults(model.path(), config);
  EXPECT_EQ(defaults.eos_token_ids, (std::vector<int32_t>{9}));
  EXPECT_FALSE(defaults.temperature.has_value());
}

TEST(GenerationDefaults, SamplingMayBeOffAndTextsMayStop) {
  const TempModel model;
  const DecoderConfig config = load_decoder_config(model.path());
  const auto defaults_with = [&](const char* field, const json& value) {
    model.edit("generation_config.json", [&](json& g) { g[field] = value; });
    return load_generation_defaults(model.path(), config);
  };
  EXPECT_FALSE(load_generation_defaults(model.path(), config).greedy);
  EXPECT_FALSE(defaults_with("do_sample", true).greedy);
  EXPECT_TRUE(defaults_with("do_sample", false).greedy);
  EXPECT_TRUE(defaults_with("stop_strings", nullptr).stop_strings.empty());
  EXPECT_EQ(defaults_with("stop_strings", "a").stop_strings, std::vector<std::string>{"a"});
  EXPECT_EQ(defaults_with("stop_strings", {"a", "b"}).stop_strings,
            (std::vector<std::string>{"a", "b"}));
}

TEST(GenerationDefaults, BadValuesAreNamed) {
  const std::pair<const char*, json> cases[] = {{"eos_token_id", 128},
                                                {"eos_token_id", -1},
                                                {"eos_token_id", {2, 128}},
                                                {"eos_token_id", "2"},
                                                {"bos_token_id", 128},
                                                {"temperature", -1},
                                                {"top_p", 0},
                                                {"top_p", 1.5},
                                                {"top_k", -2},
                                                {"min_p", "0.1"},
                                                {"repetition_penalty", 0},
                                                {"do_sample", 1},
                                                {"stop_strings", 5},
                                                {"stop_strings", {""}},
                                                {"stop_strings", json(65, "x")}};
  for (const auto& [field, value] : cases) {
    const TempModel model;
    const DecoderConfig config = load_decoder_config(model.path());
    model.edit("generation_config.json", [&, f = field, v = value](json& g) { g[f] = v; });
    EXPECT_THAT(refusal([&] { load_generation_defaults(model.path(), config); }),
                AllOf(HasSubstr("generation_config.json"), HasSubstr(field)))
        << value;
  }
}

}  // namespace
}  // namespace ember
