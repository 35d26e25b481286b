// SPDX-License-Identifier: Apache-2.0
#include "dummy_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ember/backend/cpu/cpu_backend.h"
#include "model/model_runner.h"
#include "model/temp_model.h"
#include "weights.h"

namespace ember {
namespace {

TEST(DummyWeights, DependOnSeedNameAndShapeAlone) {
  std::vector<uint8_t> a, b;
  const std::vector<int64_t> shape = {3, 70};
  DummyWeights(5).tensor("x.weight", shape, DType::kF32, a);
  DummyWeights(5).tensor("x.weight", shape, DType::kF32, b);
  EXPECT_EQ(a, b);
  DummyWeights(5).tensor("y.weight", shape, DType::kF32, b);
  EXPECT_NE(a, b);
  DummyWeights(6).tensor("x.weight", shape, DType::kF32, b);
  EXPECT_NE(a, b);
}

TEST(DummyWeights, HaveTheSizeThatKeepsActivationsInRange) {
  const DummyWeights weights(1);
  std::vector<uint8_t> storage;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Tensor t = weights.tensor("x.weight", std::vector<int64_t>{100, 400}, dtype, storage);
    ASSERT_EQ(t.bytes(), storage.size());
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < t.elements(); ++i) {
      const double value = dtype == DType::kF32   ? t.as<float>()[i]
                           : dtype == DType::kF16 ? f16_to_float(t.as<uint16_t>()[i])
                                                  : bf16_to_float(t.as<uint16_t>()[i]);
      sum += value;
      squares += value * value;
    }
    EXPECT_NEAR(sum / 40000, 0, 0.002);
    EXPECT_NEAR(squares / 40000, 1.0 / 400, 0.0002);
  }
  const Tensor norm = weights.tensor("norm.weight", std::vector<int64_t>{64}, DType::kF32, storage);
  for (int64_t i = 0; i < 64; ++i) EXPECT_NEAR(norm.as<float>()[i], 1, 0.11);
}

TEST(DummyWeights, AModelOfThemComputesFiniteLogitsThatDiffer) {
  const DecoderConfig config = load_decoder_config(tiny_model("glm4"));
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  Decoder decoder(*backend, config, Checkpoint(), {.dummy_seed = 3});
  ModelRunner runner(*backend, decoder,
                     {.max_tokens = 16,
                      .max_logit_rows = 4,
                      .max_model_len = 64,
                      .num_blocks = 4,
                      .block_size = 16});
  const std::vector<float> logits = runner.forward({1, 2, 3}, 2);
  for (const float logit : logits) EXPECT_TRUE(std::isfinite(logit));
  EXPECT_NE(std::vector<float>(logits.begin(), logits.begin() + 128),
            std::vector<float>(logits.begin() + 128, logits.end()));
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
