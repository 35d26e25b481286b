// SPDX-License-Identifier: Apache-2.0
#include "ember/model/dummy_checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/check.h"
#include "model/model_runner.h"
#include "model/temp_model.h"

namespace ember {
namespace {

std::string bytes_of(const StoredTensor& tensor) {
  return {static_cast<const char*>(tensor.data), tensor.bytes};
}

TEST(DummyCheckpoint, ValuesDependOnSeedNameAndShapeAlone) {
  const DecoderConfig config = load_decoder_config(tiny_model("llama2"));
  const char* name = "model.layers.0.mlp.up_proj.weight";
  const DummyCheckpoint five(config, 5, DType::kF32);
  const std::string a = bytes_of(five.stored(name));
  DecoderConfig deeper = config;
  deeper.num_layers = 4;
  EXPECT_EQ(a, bytes_of(DummyCheckpoint(deeper, 5, DType::kF32).stored(name)));
  EXPECT_NE(a, bytes_of(five.stored("model.layers.1.mlp.up_proj.weight")));
  EXPECT_NE(a, bytes_of(DummyCheckpoint(config, 6, DType::kF32).stored(name)));
}

TEST(DummyCheckpoint, HasWhatTheConfigAsksForInOneType) {
  for (const char* name : {"qwen2", "qwen3", "glm4"}) {
    const DecoderConfig config = load_decoder_config(tiny_model(name));
    const DummyCheckpoint checkpoint(config, 1, DType::kF16);
    EXPECT_NO_THROW(check_tensors(checkpoint, config)) << name;
    EXPECT_NO_THROW(check_finite(checkpoint)) << name;
    size_t bytes = 0;
    for (const std::string& tensor : checkpoint.names()) bytes += checkpoint.stored(tensor).bytes;
    EXPECT_EQ(checkpoint.total_bytes(), bytes) << name;
  }
}

TEST(DummyCheckpoint, ValuesHaveTheSizeThatKeepsActivationsInRange) {
  const DecoderConfig config = load_decoder_config(tiny_model("qwen2"));
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const DummyCheckpoint checkpoint(config, 1, dtype);
    const auto values = [&](const char* name) {
      const StoredTensor tensor = checkpoint.stored(name);
      std::vector<float> result(tensor.bytes / size_of(dtype));
      for (size_t i = 0; i < result.size(); ++i)
        result[i] = element_to_float(dtype, tensor.data, i);
      return result;
    };
    const auto expect_variance = [](const std::vector<float>& numbers, double expected) {
      double sum = 0, squares = 0;
      for (const double value : numbers) sum += value, squares += value * value;
      const auto n = static_cast<double>(numbers.size());
      EXPECT_NEAR(sum / n, 0, 0.05 * std::sqrt(expected));
      EXPECT_NEAR(squares / n, expected, 0.05 * expected);
    };
    expect_variance(values("model.layers.0.mlp.down_proj.weight"), 1.0 / config.intermediate_size);
    expect_variance(values("model.embed_tokens.weight"), 1);
    for (const float value : values("model.norm.weight")) EXPECT_NEAR(value, 1, 0.11);
    for (const float value : values("model.layers.0.self_attn.q_proj.bias"))
      EXPECT_NEAR(value, 0, 0.051);
  }
}

TEST(DummyCheckpoint, AModelOfItComputesFiniteLogitsThatDiffer) {
  const DecoderConfig config = load_decoder_config(tiny_model("glm4"));
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  Decoder decoder(*backend, config, DummyCheckpoint(config, 3, config.dtype), {});
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

}  // namespace
}  // namespace ember
