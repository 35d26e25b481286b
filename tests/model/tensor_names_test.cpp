// SPDX-License-Identifier: Apache-2.0
#include "tensor_names.h"

#include <gtest/gtest.h>

#include <set>

namespace ember {
namespace {

TEST(TensorNames, EveryRoleHasANameOfItsOwnInEveryLayer) {
  std::set<std::string> names;
  for (size_t role = 0; role < kNumRoles; ++role)
    for (const int layer : {0, 17})
      names.insert(tensor_name(TensorNaming::kHuggingFace, static_cast<Role>(role), layer));
  EXPECT_EQ(names.size(), 2 * kNumRoles - 3) << "embedding, final norm and lm_head have no layer";
  for (const std::string& name : names) EXPECT_EQ(name.find_first_of("{}"), std::string::npos);
}

TEST(TensorNames, OtherNamingsDifferWhereTheyMust) {
  const auto name = [](TensorNaming naming, Role role) { return tensor_name(naming, role, 3); };
  const TensorNaming gemma = TensorNaming::kFeedforwardNorms;
  EXPECT_EQ(name(gemma, Role::kPostAttentionNorm), "model.layers.3.post_attention_layernorm");
  EXPECT_EQ(name(gemma, Role::kMlpNorm), "model.layers.3.pre_feedforward_layernorm");
  EXPECT_EQ(name(gemma, Role::kPostMlpNorm), "model.layers.3.post_feedforward_layernorm");
  EXPECT_EQ(name(gemma, Role::kV), "model.layers.3.self_attn.v_proj");
  EXPECT_EQ(name(TensorNaming::kChatGlm, Role::kQkv),
            "transformer.encoder.layers.3.self_attention.query_key_value");
  EXPECT_EQ(name(TensorNaming::kGguf, Role::kMlpNorm), "blk.3.ffn_norm");
}

TEST(TensorNames, ATextPartStandsOutsideOrInside) {
  DecoderConfig config;
  const auto names = [&](TextPart part) {
    config.text_part = part;
    return std::pair(tensor_name(config, Role::kV, 3), tensor_name(config, Role::kLmHead, 0));
  };
  using Names = std::pair<std::string, std::string>;
  EXPECT_EQ(names(TextPart::kAll), Names("model.layers.3.self_attn.v_proj", "lm_head"));
  EXPECT_EQ(names(TextPart::kOuter),
            Names("language_model.model.layers.3.self_attn.v_proj", "language_model.lm_head"));
  EXPECT_EQ(names(TextPart::kInner),
            Names("model.language_model.layers.3.self_attn.v_proj", "lm_head"));
}

TEST(TensorNames, AreThoseOfTransformers) {
  const auto name = [](Role role) { return tensor_name(TensorNaming::kHuggingFace, role, 3); };
  EXPECT_EQ(name(Role::kEmbedding), "model.embed_tokens");
  EXPECT_EQ(name(Role::kV), "model.layers.3.self_attn.v_proj");
  EXPECT_EQ(name(Role::kGateUp), "model.layers.3.mlp.gate_up_proj");
  EXPECT_EQ(name(Role::kMlpNorm), "model.layers.3.post_attention_layernorm");
  EXPECT_EQ(name(Role::kPostAttentionNorm), "model.layers.3.post_self_attn_layernorm");
  EXPECT_EQ(name(Role::kFinalNorm), "model.norm");
  EXPECT_EQ(name(Role::kLmHead), "lm_head");
}

}  // namespace
}  // namespace ember
