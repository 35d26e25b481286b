// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder_plan.h"

#include <gtest/gtest.h>

#include <random>

#include "ember/backend/cpu/cpu_backend.h"
#include "model/plan_and_allocation.h"

namespace ember {
namespace {

TEST(DecoderPlan, WeightsCountMatricesInTheirType) {
  const NaiveBackend backend;
  const DecoderConfig tied = load_decoder_config(tiny_model("qwen2"));
  const size_t half = weight_bytes(backend, tied, std::nullopt),
               full = weight_bytes(backend, tied, DType::kF32);
  const size_t vectors = (5 * 64 + 2 * 128) * sizeof(float);  // norms, and the biases of qkv
  EXPECT_EQ(full - vectors, 2 * (half - vectors));
  const size_t layer = (64 * 128 + 64 * 64 + 160 * 64 + 64 * 80) * 2;
  EXPECT_EQ(half, 2 * layer + 128 * 64 * 2 + vectors);
}

// Whatever type config.json names and each tensor has.
TEST(DecoderPlan, WeightsAreCountedInTheTypesOfTheFiles) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
  const auto any = [&] { return kTypes[random() % 3]; };
  for (const char* name : {"llama2", "llama_biases", "qwen2", "glm4", "gemma3_vision", "phi3"})
    for (int round = 0; round < 4; ++round) {
      const TempModel model(name);
      model.set("dtype", name_of(any()));
      const DType one = any();
      model.store_as([&](const std::string&) { return round == 0 ? one : any(); });
      expect_plan_is_allocation(model.path(), {}, false);
      expect_plan_is_allocation(model.path(), any(), false);
    }
}

TEST(DecoderPlan, ActivationsHaveTheShapesTheyAreDocumentedWith) {
  const DecoderConfig c = load_decoder_config(tiny_model("llama2"));
  const DecoderLimits limits{.max_tokens = 24, .max_logit_rows = 4, .max_model_len = 64};
  const Activations a = make_activations(c, limits, DType::kBF16,
                                         [](DType dtype, std::initializer_list<int64_t> shape) {
                                           return Tensor(nullptr, dtype, shape);
                                         });
  const auto is = [](const Tensor& t, DType dtype, int64_t rows, int64_t columns) {
    return t.dtype == dtype && t.ndim == 2 && t.shape[0] == rows && t.shape[1] == columns;
  };
  EXPECT_TRUE(is(a.residual, DType::kBF16, 24, c.hidden_size));
  EXPECT_TRUE(is(a.hidden, DType::kBF16, 24, c.hidden_size));
  EXPECT_TRUE(is(a.qkv, DType::kBF16, 24, (c.num_heads + 2 * c.num_kv_heads) * c.head_dim));
  EXPECT_TRUE(is(a.attention, DType::kBF16, 24, c.num_heads * c.head_dim));
  EXPECT_TRUE(is(a.gate_up, DType::kBF16, 24, 2 * c.intermediate_size));
  EXPECT_TRUE(is(a.mlp, DType::kBF16, 24, c.intermediate_size));
  EXPECT_TRUE(is(a.last, DType::kBF16, 4, c.hidden_size));
  EXPECT_TRUE(is(a.logits, DType::kF32, 4, c.vocab_size));
  EXPECT_TRUE(is(a.cos_sin.at(0), DType::kF32, 64, c.ropes[0].rotary_dim));
}

TEST(DecoderPlan, EveryDistinctAttentionIsListedOnce) {
  const DecoderConfig config = load_decoder_config(tiny_model("qwen2_window"));
  const StepLimits limits = step_limits(config, {.max_tokens = 24, .max_model_len = 64}, 8);
  ASSERT_EQ(limits.attention.size(), 2u) << "of three layers, two have the same window";
  EXPECT_EQ(limits.attention[0].window, 0);
  EXPECT_EQ(limits.attention[1], attention_spec(config, 2));
  EXPECT_EQ(limits.max_seqs, 8);
  EXPECT_EQ(limits.max_in_features, config.intermediate_size);
}

TEST(Shapes, HaveTheNumberOfWeightsOfTheirModels) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  const std::pair<const char*, double> models[] = {{"llama-3-8b", 8030261248.0},
                                                   {"qwen2.5-7b", 7615616512.0},
                                                   {"mistral-7b", 7248023552.0},
                                                   {"glm-4-9b", 9399951360.0}};
  for (const auto& [name, weights] : models) {
    const DecoderConfig config =
        load_decoder_config(std::filesystem::path(EMBER_SOURCE_DIR) / "configs/shapes" / name);
    EXPECT_NEAR(static_cast<double>(weight_bytes(*backend, config, DType::kBF16)) / 2, weights,
                weights * 2e-4)
        << name;
  }
}

}  // namespace
}  // namespace ember
