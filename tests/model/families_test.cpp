// SPDX-License-Identifier: Apache-2.0
#include "families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  model.set("auto_map", {{"AutoModel", "modeling.Mamba"}});
  EXPECT_THAT(refusal([&] { load_decoder_config(model.path()); }), HasSubstr("never run"));
}

}  // namespace
}  // namespace ember
