// SPDX-License-Identifier: Apache-2.0
// Tiny checkpoints of every family as GGUF files give the logits of the safetensors they are made
// of.
#include <gtest/gtest.h>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/check.h"
#include "ember/model/gguf_config.h"
#include "model/model_runner.h"
#include "model/tiny_gguf.h"

namespace ember {
namespace {

using test::TinyGguf;

constexpr const char* kNames[] = {
    "llama2",         "llama3", "llama_linear", "llama_yarn", "llama_biases", "llama_head_dim_tied",
    "mistral_window", "qwen2",  "qwen3",        "glm",        "glm4",         "gemma2",
    "gemma3",         "phi3",   "phi3_long",    "phi3_short", "olmo2",        "granite",
    "smollm3"};

std::vector<float> logits_of(const DecoderConfig& config, const Checkpoint& checkpoint,
                             std::optional<DType> dtype) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  Decoder decoder(*backend, config, checkpoint, {.dtype = dtype});
  ModelRunner runner(*backend, decoder,
                     {.max_tokens = 128,
                      .max_logit_rows = 128,
                      .max_model_len = 128,
                      .num_blocks = 12,
                      .block_size = 16});
  std::vector<int32_t> tokens;
  for (int i = 0; i < 70; ++i) tokens.push_back((i * 37 + 5) % 128);
  return runner.forward(tokens, 70);
}

class GgufModel : public testing::TestWithParam<const char*> {
 protected:
  std::vector<float> of_safetensors(DType dtype) const {
    return logits_of(load_decoder_config(tiny_model(GetParam())),
                     SafetensorsCheckpoint(tiny_model(GetParam())), dtype);
  }
  std::vector<float> of_gguf(const TinyGguf& tiny, WeightFormat format,
                             std::optional<DType> dtype = {}) const {
    write_file(dir_ / "a.gguf", tiny.bytes(format));
    const GgufCheckpoint checkpoint(dir_ / "a.gguf");
    const DecoderConfig config = gguf_decoder_config(checkpoint);
    check_tensors(checkpoint, config);
    check_finite(checkpoint);
    return logits_of(config, checkpoint, dtype);
  }
  // llama3's frequencies are scaled by float32 divisors in a GGUF file.
  void expect_same(const std::vector<float>& a, const std::vector<float>& b) const {
    ASSERT_EQ(a.size(), b.size());
    const double tolerance = GetParam() == std::string("llama3") ? 1e-4 : 0;
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
  }

  const TempDir dir_;
};

TEST_P(GgufModel, PlainWeightsGiveTheSameBits) {
  const TinyGguf tiny(GetParam());
  expect_same(of_gguf(tiny, WeightFormat::kF32), of_safetensors(DType::kF32));
  expect_same(of_gguf(tiny, WeightFormat::kF16), of_safetensors(DType::kF16));
  expect_same(of_gguf(tiny, WeightFormat::kF16, DType::kF32),
              of_gguf(tiny, WeightFormat::kF16, DType::kF16));
  expect_same(of_gguf(tiny, WeightFormat::kBF16), of_safetensors(DType::kBF16));
}

// Eight bits a weight move a logit by less than a tenth of what logits are apart.
TEST_P(GgufModel, QuantisedWeightsGiveNearlyTheSame) {
  const TinyGguf tiny(GetParam());
  const std::vector<float> exact = of_safetensors(DType::kF32),
                           eight = of_gguf(tiny, WeightFormat::kQ8_0),
                           in_floats = of_gguf(tiny, WeightFormat::kQ8_0, DType::kF32),
                           four = of_gguf(tiny, WeightFormat::kQ4_0);
  const auto distance = [&](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0, size = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      sum += (a[i] - b[i]) * (a[i] - b[i]);
      size += b[i] * b[i];
    }
    return std::sqrt(sum / size);
  };
  EXPECT_LT(distance(eight, exact), 0.05);
  EXPECT_GT(distance(eight, exact), 1e-4) << "were they quantised?";
  EXPECT_LT(distance(eight, in_floats), 2e-3) << "float16 is closer than the blocks";
  EXPECT_LT(distance(four, exact), 1);
  EXPECT_GT(distance(four, exact), 2 * distance(eight, exact));
}

INSTANTIATE_TEST_SUITE_P(All, GgufModel, testing::ValuesIn(kNames),
                         [](const auto& test) { return std::string(test.param); });

TEST(GgufModels, QKAndVMayBeOneTensor) {
  for (const char* name : {"glm", "glm4"}) {
    const TempDir dir;
    TinyGguf tiny(name);
    const auto logits = [&] {
      write_file(dir / "a.gguf", tiny.bytes(WeightFormat::kF32));
      const GgufCheckpoint checkpoint(dir / "a.gguf");
      return logits_of(gguf_decoder_config(checkpoint), checkpoint, {});
    };
    const std::vector<float> apart = logits();
    tiny.fuse_qkv = true;
    EXPECT_EQ(logits(), apart) << name;
  }
}

}  // namespace
}  // namespace ember
