// SPDX-License-Identifier: Apache-2.0
#include "families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Families, FillWhatSetsThemApart) {
  const struct {
    const char* model;
    bool qkv_bias, output_bias, mlp_bias, qk_norm, sandwich, fused, interleaved;
    int rotary_dim;
    std::vector<int> windows;
  } cases[] = {{"llama2", false, false, false, false, false, false, false, 16, {0, 0}},
               {"llama_biases", true, true, true, false, false, false, false, 16, {0, 0}},
               {"mistral_window", false, false, false, false, false, false, false, 16, {8, 8}},
               {"qwen2", true, false, false, false, false, false, false, 16, {0, 0}},
               {"qwen2_window", true, false, false, false, false, false, false, 16, {0, 8, 8}},
               {"qwen3", false, false, false, true, false, false, false, 32, {0, 0}},
               {"glm", true, false, false, false, false, true, true, 8, {0, 0}},
               {"glm4", true, false, false, false, true, true, true, 8, {0, 0}}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.model);
    const DecoderConfig config = load_decoder_config(tiny_model(c.model));
    EXPECT_EQ(config.qkv_bias, c.qkv_bias);
    EXPECT_EQ(config.output_bias, c.output_bias);
    EXPECT_EQ(config.mlp_bias, c.mlp_bias);
    EXPECT_EQ(config.qk_norm, c.qk_norm ? QkNormScope::kHead : QkNormScope::kNone);
    EXPECT_EQ(config.norm_placement, c.sandwich ? NormPlacement::kSandwich : NormPlacement::kPre);
    EXPECT_EQ(config.fused_gate_up, c.fused);
    EXPECT_EQ(config.ropes[0].interleaved, c.interleaved);
    EXPECT_EQ(config.ropes[0].rotary_dim, c.rotary_dim);
    EXPECT_EQ(config.layer_window, c.windows);
  }
}

TEST(Families, TheNewerOnesToo) {
  const struct {
    const char* model;
    NormPlacement norms;
    QkNormScope qk_norm;
    Gate gate;
    float norm_offset, attention_softcap, logit_softcap;
    std::vector<int> windows, ropes;
  } cases[] = {
      {"gemma2",
       NormPlacement::kSandwich,
       QkNormScope::kNone,
       Gate::kGeluTanh,
       1,
       3,
       6,
       {8, 0},
       {0, 0}},
      {"gemma3",
       NormPlacement::kSandwich,
       QkNormScope::kHead,
       Gate::kGeluTanh,
       1,
       0,
       0,
       {8, 0, 8},
       {1, 0, 1}},
      {"phi3", NormPlacement::kPre, QkNormScope::kNone, Gate::kSilu, 0, 0, 0, {16, 16}, {0, 0}},
      {"olmo2",
       NormPlacement::kPost,
       QkNormScope::kProjection,
       Gate::kSilu,
       0,
       0,
       0,
       {0, 0},
       {0, 0}},
      {"granite", NormPlacement::kPre, QkNormScope::kNone, Gate::kSilu, 0, 0, 0, {0, 0}, {0, 0}},
      {"smollm3",
       NormPlacement::kPre,
       QkNormScope::kNone,
       Gate::kSilu,
       0,
       0,
       0,
       {0, 0, 0, 0},
       {0, 0, 0, DecoderConfig::kNoRope}}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.model);
    const DecoderConfig config = load_decoder_config(tiny_model(c.model));
    EXPECT_EQ(config.norm_placement, c.norms);
    EXPECT_EQ(config.qk_norm, c.qk_norm);
    EXPECT_EQ(config.gate, c.gate);
    EXPECT_EQ(std::tuple(config.norm_offset, config.attention_softcap, config.logit_softcap),
              std::tuple(c.norm_offset, c.attention_softcap, c.logit_softcap));
    EXPECT_EQ(config.layer_window, c.windows);
    EXPECT_EQ(config.layer_rope, c.ropes);
  }
  const DecoderConfig granite = load_decoder_config(tiny_model("granite")),
                      gemma = load_decoder_config(tiny_model("gemma2"));
  EXPECT_EQ(std::tuple(granite.embedding_scale, granite.residual_scale, granite.attention_scale,
                       granite.logit_scale),
            std::tuple(6.0f, 0.4f, 0.35f, 1 / 0.6f));
  EXPECT_EQ(std::tuple(gemma.embedding_scale, gemma.attention_scale),
            std::tuple(8.0f, static_cast<float>(1 / std::sqrt(24.0))));
}

TEST(Families, WhatGemmasFilesLeaveOutIsTheLibrarys) {
  const TempModel model("gemma2");
  model.edit_config([](nlohmann::json& c) {
    for (const char* field :
         {"attn_logit_softcapping", "final_logit_softcapping", "sliding_window", "layer_types",
          "query_pre_attn_scalar", "hidden_activation", "tie_word_embeddings"})
      c.erase(field);
  });
  const DecoderConfig config = load_decoder_config(model.path());
  EXPECT_EQ(std::tuple(config.attention_softcap, config.logit_softcap, config.attention_scale),
            std::tuple(50.0f, 30.0f, 1 / 16.0f));
  EXPECT_EQ(config.layer_window, (std::vector<int>{4096, 0}));
  EXPECT_TRUE(config.tie_word_embeddings && config.gate == Gate::kGeluTanh);
  model.set("attn_logit_softcapping", nullptr);
  model.set("sliding_window", nullptr);
  EXPECT_EQ(load_decoder_config(model.path()).attention_softcap, 0);
  EXPECT_EQ(load_decoder_config(model.path()).layer_window, (std::vector<int>{0, 0}));
}

// As gemma-3-4b-it's: the text part has four sizes and a scaling.
TEST(Families, Gemma3sTextPartHasDefaultsForItsSizes) {
  const TempDir dir;
  nlohmann::json config = {{"architectures", {"Gemma3ForConditionalGeneration"}},
                           {"eos_token_id", {1, 106}},
                           {"torch_dtype", "bfloat16"},
                           {"text_config",
                            {{"hidden_size", 2560},
                             {"intermediate_size", 10240},
                             {"num_hidden_layers", 34},
                             {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                             {"sliding_window", 1024}}}};
  const auto parse = [&] {
    write_file(dir / "config.json", config.dump());
    return load_decoder_config(dir.path());
  };
  const DecoderConfig c = parse();
  EXPECT_EQ(std::tuple(c.num_heads, c.num_kv_heads, c.head_dim, c.vocab_size, c.max_position),
            std::tuple(8, 4, 256, 262208, 131072));
  EXPECT_EQ(std::tuple(c.dtype, c.tie_word_embeddings, c.text_part),
            std::tuple(DType::kBF16, true, TextPart::kOuter));
  EXPECT_EQ(std::tuple(c.ropes[0].theta, c.ropes[0].factor, c.ropes[1].theta),
            std::tuple(1e6, 8.0, 1e4));
  EXPECT_EQ(std::count(c.layer_window.begin(), c.layer_window.end(), 0), 5);
  EXPECT_EQ(load_generation_defaults(dir.path(), c).eos_token_ids, (std::vector<int32_t>{1, 106}));
  config["text_config"]["head_dim"] = 15;
  EXPECT_THAT(refusal(parse), HasSubstr("head_dim"));
  config["text_config"]["intermediate_size"] = 0;
  EXPECT_THAT(refusal(parse), HasSubstr("\"text_config.intermediate_size\""));
  config.erase("text_config");
  EXPECT_THAT(refusal(parse), HasSubstr("\"text_config\": expected an object, found nothing"));
}

TEST(Families, LayersOfSmolLm3MayBeWithoutRotation) {
  const TempModel model("smollm3");
  const auto ropes = [&] { return load_decoder_config(model.path()).layer_rope; };
  constexpr int kNone = DecoderConfig::kNoRope;
  model.set("no_rope_layers", {0, 1, 1, 0, 1});
  EXPECT_EQ(ropes(), (std::vector<int>{kNone, 0, 0, kNone}));
  model.edit_config([](nlohmann::json& c) {
    c.erase("no_rope_layers");
    c.erase("layer_types");
    c["no_rope_layer_interval"] = 2;
    c["use_sliding_window"] = true;
    c["sliding_window"] = 8;
  });
  EXPECT_EQ(ropes(), (std::vector<int>{0, kNone, 0, kNone}));
  EXPECT_EQ(load_decoder_config(model.path()).layer_window, (std::vector<int>{0, 8, 0, 8}));
}

TEST(Families, ValuesThatAreNotComputedAreNamed) {
  const struct {
    const char *model, *field;
    nlohmann::json value;
  } cases[] = {{"gemma2", "hidden_activation", "gelu"},
               {"gemma2", "attn_logit_softcapping", -1},
               {"gemma2", "query_pre_attn_scalar", 0},
               {"gemma3", "use_bidirectional_attention", true},
               {"gemma3", "final_logit_softcapping", "30"},
               {"gemma3", "layer_types", {"sliding_attention"}},
               {"phi3", "sliding_window", 0},
               {"granite", "attention_multiplier", 0},
               {"granite", "logits_scaling", -2},
               {"smollm3", "no_rope_layers", {1, 0}},
               {"smollm3", "no_rope_layers", {1, 0, 2, 0}},
               {"smollm3", "no_rope_layer_interval", 0}};
  for (const auto& c : cases) {
    const TempModel model(c.model);
    if (std::string(c.field) == "no_rope_layer_interval") model.set("no_rope_layers", nullptr);
    model.set(c.field, c.value);
    EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }),
                HasSubstr("\"" + std::string(c.field) + "\""))
        << c.model;
  }
}

TEST(Families, OlderQwenFilesGiveTheFirstSlidingLayer) {
  const TempModel model("qwen2_window");
  model.edit_config([](nlohmann::json& c) { c.erase("layer_types"); });
  EXPECT_EQ(load_decoder_config(model.path()).layer_window, (std::vector<int>{0, 8, 8}));
  model.set("use_sliding_window", false);
  EXPECT_EQ(load_decoder_config(model.path()).layer_window, (std::vector<int>{0, 0, 0}));
}

TEST(Families, AnAbsentMistralWindowIsTheLibrarysAndNullIsNone) {
  const TempModel model("mistral_window");
  model.edit_config([](nlohmann::json& c) { c.erase("sliding_window"); });
  EXPECT_EQ(load_decoder_config(model.path()).layer_window, (std::vector<int>{4096, 4096}));
  model.set("sliding_window", nullptr);
  EXPECT_EQ(load_decoder_config(model.path()).layer_window, (std::vector<int>{0, 0}));
}

TEST(Families, BadLayerTypesAreRefused) {
  for (const nlohmann::json& types :
       {nlohmann::json{"full_attention"},
        nlohmann::json{"full_attention", "chunked_attention", "full_attention"}}) {
    const TempModel model("qwen2_window");
    model.set("layer_types", types);
    EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }), HasSubstr("layer_types"))
        << types;
  }
}

TEST(Families, AnUnknownArchitectureIsNamedWithThoseKnown) {
  const TempModel model;
  model.set("architectures", {"MambaForCausalLM"});
  EXPECT_THAT(
      refusal([&] { load_decoder_config(model.path()); }),
      AllOf(HasSubstr("\"MambaForCausalLM\" is not supported"), HasSubstr("Glm4ForCausalLM")));
  for (const char* wrapper :
       {"Mistral3ForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"}) {
    model.set("architectures", {wrapper});  // around families that are supported
    EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }),
                HasSubstr("\"" + std::string(wrapper) + "\" is not supported"));
  }
  model.set("auto_map", {{"AutoModel", "modeling.Mamba"}});
  EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }), HasSubstr("never run"));
}

}  // namespace
}  // namespace ember
