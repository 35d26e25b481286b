// SPDX-License-Identifier: Apache-2.0
// Tiny checkpoints of every family and feature against what transformers computes with them
// (scripts/make_reference.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/base/start_error.h"
#include "ember/model/quantized_checkpoint.h"
#include "model/model_runner.h"
#include "model/naive_backend.h"

namespace ember {
namespace {

const std::filesystem::path kTiny = std::filesystem::path(EMBER_SOURCE_DIR) / "tests/data/tiny";
constexpr double kTolerance = 1e-3;
constexpr const char* kNames[] = {"llama2",
                                  "llama3",
                                  "llama_linear",
                                  "llama_dynamic",
                                  "llama_yarn",
                                  "llama_yarn_mscale",
                                  "llama_biases",
                                  "llama_head_dim_tied",
                                  "mistral_window",
                                  "qwen2",
                                  "qwen2_window",
                                  "qwen3",
                                  "glm",
                                  "glm4",
                                  "gemma2",
                                  "gemma3",
                                  "gemma3_vision",
                                  "phi3",
                                  "phi3_long",
                                  "phi3_short",
                                  "olmo2",
                                  "granite",
                                  "smollm3",
                                  "llama_awq",
                                  "qwen2_gptq",
                                  "qwen3_fp8",
                                  "glm4_packed",
                                  "mistral_int8",
                                  "llama_float8"};
constexpr const char* kBackends[] = {"naive", "cpu"};

struct Prompt {
  std::vector<int32_t> input, greedy;
  std::vector<std::vector<float>> last_logits;
};

std::vector<Prompt> prompts_of(const std::filesystem::path& dir) {
  const nlohmann::json reference = nlohmann::json::parse(std::ifstream(dir / "reference.json"));
  std::vector<Prompt> prompts;
  for (const auto& p : reference["prompts"])
    prompts.push_back({p["input_ids"], p["greedy_ids"], p["last_logits"]});
  return prompts;
}

class TinyModel : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override {
    const auto [name, backend] = GetParam();
    backend_ =
        backend == std::string("cpu") ? make_cpu_backend({}) : std::make_unique<NaiveBackend>();
    const DecoderConfig config = load_decoder_config(kTiny / name);
    ASSERT_GE(config.max_position, 128) << "with rope scaling";
    LoadOptions options;  // the reference has the exact weights that quantised ones stand for
    if (!config.other_formats.empty()) options.dtype = DType::kF32;
    decoder_ = std::make_unique<Decoder>(*backend_, config, *open_weights(kTiny / name), options);
    vocab_ = static_cast<size_t>(config.vocab_size);
    seed_ = std::random_device{}();
    runner_ = std::make_unique<ModelRunner>(*backend_, *decoder_,
                                            DecoderLimits{.max_tokens = 128,
                                                          .max_logit_rows = 4,
                                                          .max_model_len = 128,
                                                          .num_blocks = 12,
                                                          .block_size = 16},
                                            seed_);
    prompts_ = prompts_of(kTiny / name);
    ASSERT_EQ(prompts_.size(), 3u);
  }

  void expect_last(const Prompt& prompt, const std::vector<float>& logits) const {
    const size_t rows = prompt.last_logits.size();
    ASSERT_EQ(logits.size(), rows * vocab_);
    for (size_t row = 0; row < rows; ++row)
      expect_row(prompt.last_logits[row], logits.data() + row * vocab_);
  }
  void expect_row(const std::vector<float>& expected, const float* logits) const {
    ASSERT_EQ(expected.size(), vocab_);
    for (size_t i = 0; i < vocab_; ++i)
      ASSERT_NEAR(logits[i], expected[i], kTolerance) << "token " << i;
  }
  void expect_greedy(const Prompt& prompt, int32_t first) {
    int32_t token = first;
    for (size_t step = 0; step < prompt.greedy.size(); ++step) {
      ASSERT_EQ(token, prompt.greedy[step]) << "step " << step;
      token = argmax(runner_->forward({token}, 1).data(), vocab_);
    }
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<ModelRunner> runner_;
  std::vector<Prompt> prompts_;
  size_t vocab_ = 0;
  unsigned seed_ = 0;
};

TEST_P(TinyModel, WholePromptsAndGreedyContinuationsEqualTransformers) {
  for (const Prompt& prompt : prompts_) {
    SCOPED_TRACE(testing::Message()
                 << "prompt of " << prompt.input.size() << ", block order " << seed_);
    runner_->clear();
    const std::vector<float> logits =
        runner_->forward(prompt.input, static_cast<int>(prompt.last_logits.size()));
    expect_last(prompt, logits);
    expect_greedy(prompt, argmax(logits.data() + logits.size() - vocab_, vocab_));
  }
}

TEST_P(TinyModel, TokenByTokenIsTheSame) {
  const Prompt& prompt = prompts_.back();
  const size_t first = prompt.input.size() - prompt.last_logits.size();
  for (size_t i = 0; i < prompt.input.size(); ++i) {
    const std::vector<float> logits = runner_->forward({prompt.input[i]}, 1);
    if (i >= first) expect_row(prompt.last_logits[i - first], logits.data());
  }
}

TEST_P(TinyModel, RandomChunksAreTheSame) {
  std::mt19937 random(seed_);
  const Prompt& prompt = prompts_.back();
  const int rows = static_cast<int>(prompt.last_logits.size()),
            body = static_cast<int>(prompt.input.size()) - rows;
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed_ << ", round " << round);
    runner_->clear();
    for (int done = 0; done < body;) {
      const int n = std::uniform_int_distribution<int>(1, std::min(33, body - done))(random);
      EXPECT_TRUE(
          runner_->forward({prompt.input.begin() + done, prompt.input.begin() + done + n}, 0)
              .empty());
      done += n;
    }
    expect_last(prompt, runner_->forward({prompt.input.begin() + body, prompt.input.end()}, rows));
  }
}

class TinyModelIn16Bits : public testing::TestWithParam<const char*> {};

// The weights rounded to 16 bits, on each instruction set, against the same in double precision.
TEST_P(TinyModelIn16Bits, EqualsDoublePrecision) {
  std::unique_ptr<Backend> backend;
  try {
    backend = make_cpu_backend({.isa = GetParam()});
  } catch (const StartError&) {
    GTEST_SKIP() << "wants a processor with " << GetParam();
  }
  const DecoderLimits limits{.max_tokens = 128,
                             .max_logit_rows = 4,
                             .max_model_len = 128,
                             .num_blocks = 12,
                             .block_size = 16};
  for (const char* name : kNames)
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      const DecoderConfig config = load_decoder_config(kTiny / name);
      const Prompt prompt = prompts_of(kTiny / name).back();
      const auto logits_of = [&](Backend& device) {
        Decoder decoder(device, config, *open_weights(kTiny / name), LoadOptions{.dtype = dtype});
        return ModelRunner(device, decoder, limits).forward(prompt.input, 4);
      };
      NaiveBackend naive;
      const std::vector<float> expected = logits_of(naive);
      backend = make_cpu_backend({.isa = GetParam()});
      const std::vector<float> logits = logits_of(*backend);
      ASSERT_EQ(logits.size(), expected.size());
      SCOPED_TRACE(testing::Message() << name << " " << name_of(dtype) << " " << GetParam());
      for (size_t i = 0; i < logits.size(); ++i)
        ASSERT_NEAR(logits[i], expected[i], kTolerance) << i;
    }
}

// Those that scripts/make_random_models.py made, however many.
TEST(RandomModels, EqualTransformers) {
  const char* folder = std::getenv("EMBER_RANDOM_MODELS");
  if (folder == nullptr)
    GTEST_SKIP() << "wants EMBER_RANDOM_MODELS, see scripts/make_random_models.py";
  int num_models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path());
    const std::unique_ptr<Backend> backend = make_cpu_backend({});
    Decoder decoder(*backend, load_decoder_config(entry), *open_weights(entry),
                    LoadOptions{.dtype = DType::kF32});
    ModelRunner runner(*backend, decoder,
                       {.max_tokens = 128,
                        .max_logit_rows = 4,
                        .max_model_len = 128,
                        .num_blocks = 12,
                        .block_size = 16});
    for (const Prompt& prompt : prompts_of(entry)) {
      runner.clear();
      const size_t vocab = prompt.last_logits[0].size();
      const std::vector<float> logits =
          runner.forward(prompt.input, static_cast<int>(prompt.last_logits.size()));
      ASSERT_EQ(logits.size(), prompt.last_logits.size() * vocab);
      for (size_t i = 0; i < logits.size(); ++i)
        ASSERT_NEAR(logits[i], prompt.last_logits[i / vocab][i % vocab], kTolerance) << i;
    }
    ++num_models;
  }
  EXPECT_GT(num_models, 0);
  std::printf("%d models\n", num_models);
}

INSTANTIATE_TEST_SUITE_P(All, TinyModelIn16Bits, testing::Values("avx2", "avx512", "amx"),
                         [](const auto& test) { return std::string(test.param); });

INSTANTIATE_TEST_SUITE_P(All, TinyModel,
                         testing::Combine(testing::ValuesIn(kNames), testing::ValuesIn(kBackends)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)) + "_" +
                                  std::get<1>(test.param);
                         });

}  // namespace
}  // namespace ember
