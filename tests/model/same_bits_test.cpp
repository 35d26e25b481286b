// SPDX-License-Identifier: Apache-2.0
// A token's logits have the same bits alone, in chunks, beside another sequence and computed again,
// with any number of threads and on every instruction set (AMX has bits of its own for bfloat16):
// for every family and format.
#include <gtest/gtest.h>

#include <random>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/base/start_error.h"
#include "ember/model/gguf_config.h"
#include "ember/model/quantized_checkpoint.h"
#include "model/gguf_writer.h"
#include "model/model_runner.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using test::GgufWriter;

constexpr int kTokens = 70;

std::vector<int32_t> tokens_of(int step, int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((i * step + 5) % 128);
  return tokens;
}

// The sequence in the pieces that are given, each in one step.
class Computer {
 public:
  Computer(const DecoderConfig& config, const Checkpoint& checkpoint,
           std::unique_ptr<Backend> backend)
      : backend_(std::move(backend)),
        decoder_(*backend_, config, checkpoint, {}),
        runner_(*backend_, decoder_,
                {.max_tokens = 128,
                 .max_logit_rows = 128,
                 .max_model_len = 128,
                 .num_blocks = 16,
                 .block_size = 16},
                1, 2) {}

  std::vector<float> alone(const std::vector<int>& pieces) {
    return together(pieces, std::vector<int>(pieces.size(), 0));
  }
  // others: how many tokens of another sequence are in each step, before the piece or behind it.
  std::vector<float> together(const std::vector<int>& pieces, const std::vector<int>& others) {
    const std::vector<int32_t> tokens = tokens_of(37, kTokens), other = tokens_of(11, 128);
    std::vector<float> logits;
    runner_.clear(0);
    runner_.clear(1);
    auto next = tokens.begin();
    auto next_other = other.begin();
    for (size_t i = 0; i < pieces.size(); ++i) {
      std::vector<ModelRunner::Part> parts = {{0, {next, next + pieces[i]}, pieces[i]}};
      const ModelRunner::Part beside{1, {next_other, next_other + others[i]}, 1};
      const bool first = i % 2 == 0;
      if (others[i] > 0) parts.insert(first ? parts.begin() : parts.end(), beside);
      const std::vector<std::vector<float>> results = runner_.forward(parts);
      const std::vector<float>& own = first ? results.back() : results.front();
      logits.insert(logits.end(), own.begin(), own.end());
      next += pieces[i];
      next_other += others[i];
    }
    return logits;
  }

 private:
  const std::unique_ptr<Backend> backend_;
  Decoder decoder_;
  ModelRunner runner_;
};

// Random pieces that add up to the sequence.
std::vector<int> random_pieces(std::mt19937& random) {
  std::vector<int> pieces;
  for (int left = kTokens; left > 0; left -= pieces.back())
    pieces.push_back(std::min(left, std::uniform_int_distribution(1, 25)(random)));
  return pieces;
}

void expect_same_bits(const DecoderConfig& config, const Checkpoint& checkpoint,
                      CpuActivations activations = CpuActivations::kInt16) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<float> expected;
  for (const char* isa : {"avx2", "avx512", "amx"})
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(testing::Message() << isa << ", " << threads << " threads");
      std::unique_ptr<Backend> backend;
      try {
        backend =
            make_cpu_backend({.num_threads = threads, .isa = isa, .activations = activations});
      } catch (const StartError&) {
        continue;  // the processor lacks it
      }
      Computer computer(config, checkpoint, std::move(backend));
      const std::vector<float> whole = computer.alone({kTokens});
      const bool own_bits = isa == std::string("amx") && config.dtype == DType::kBF16;
      if (threads == 1 && (expected.empty() || own_bits)) expected = whole;
      for (const float logit : whole) ASSERT_TRUE(std::isfinite(logit));
      EXPECT_TRUE(whole == expected);
      for (int round = 0; round < 2; ++round) {
        const std::vector<int> pieces = random_pieces(random);
        EXPECT_TRUE(computer.alone(pieces) == expected);
        std::vector<int> others;
        for (size_t i = 0; i < pieces.size(); ++i)
          others.push_back(static_cast<int>(random() % (128 / pieces.size())));
        EXPECT_TRUE(computer.together(pieces, others) == expected);
      }
      EXPECT_TRUE(computer.alone({kTokens}) == expected) << "again, as after a preemption";
    }
  EXPECT_FALSE(expected.empty());
}

class SameBitsOfFamily : public testing::TestWithParam<std::string> {};

TEST_P(SameBitsOfFamily, AloneInChunksInABatchAndAgainOnEveryInstructionSet) {
  const std::filesystem::path dir = tiny_model(GetParam());
  expect_same_bits(load_decoder_config(dir), *open_weights(dir));
}

std::vector<std::string> tiny_models() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(tiny_model("")))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, SameBitsOfFamily, testing::ValuesIn(tiny_models()),
                         [](const auto& test) { return test.param; });

// Rows of blocks with random codes and scales that make weights of about 0.05.
std::string random_matrix(WeightFormat format, int64_t rows, int64_t columns,
                          std::mt19937& random) {
  struct Place {
    WeightFormat format;
    size_t scale;
    int minimum;  // -1: none
    float size;
  };
  static constexpr Place kPlaces[] = {
      {WeightFormat::kQ4_0, 0, -1, 0.01f},     {WeightFormat::kQ4_1, 0, 2, 0.01f},
      {WeightFormat::kQ5_0, 0, -1, 0.005f},    {WeightFormat::kQ5_1, 0, 2, 0.005f},
      {WeightFormat::kQ8_0, 0, -1, 0.0007f},   {WeightFormat::kQ2_K, 80, 82, 0.004f},
      {WeightFormat::kQ4_K, 0, 2, 0.0002f},    {WeightFormat::kQ5_K, 0, 2, 0.0001f},
      {WeightFormat::kQ6_K, 208, -1, 0.00003f}};
  std::string bytes(static_cast<size_t>(rows) * row_bytes(format, columns), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const Place& place = *std::ranges::find(kPlaces, format, &Place::format);
  const auto put = [&](size_t at, float value) {
    const uint16_t bits = float_to_f16(value);
    std::memcpy(bytes.data() + at, &bits, sizeof bits);
  };
  std::uniform_real_distribution<float> scale(0.5f, 1.5f);
  for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(info_of(format).block_bytes)) {
    put(at + place.scale, scale(random) * place.size * (random() % 2 == 0 ? 1.0f : -1.0f));
    if (place.minimum >= 0)
      put(at + static_cast<size_t>(place.minimum), scale(random) * place.size);
  }
  return bytes;
}

// A llama whose matrices are all of one format.
std::string llama_of(WeightFormat format) {
  constexpr uint32_t kHidden = 256, kMlp = 512, kHeads = 4, kKvHeads = 2, kVocab = 128, kLayers = 2;
  std::mt19937 random(7);
  GgufWriter file;
  file.text("general.architecture", "llama");
  const std::pair<const char*, uint32_t> sizes[] = {{"llama.block_count", kLayers},
                                                    {"llama.embedding_length", kHidden},
                                                    {"llama.feed_forward_length", kMlp},
                                                    {"llama.attention.head_count", kHeads},
                                                    {"llama.attention.head_count_kv", kKvHeads},
                                                    {"llama.context_length", 128}};
  for (const auto& [key, value] : sizes) file.u32(key, value);
  file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t columns) {
    file.tensor(name + ".weight", {rows, columns}, test::gguf_type(format),
                random_matrix(format, rows, columns, random));
  };
  const auto norm = [&](const std::string& name) {
    file.tensor(name + ".weight", {kHidden}, 0,
                test::stored_as(WeightFormat::kF32, std::vector<float>(kHidden, 1)));
  };
  matrix("token_embd", kVocab, kHidden);
  norm("output_norm");
  for (uint32_t i = 0; i < kLayers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    norm(layer + "attn_norm");
    norm(layer + "ffn_norm");
    matrix(layer + "attn_q", kHidden, kHidden);
    matrix(layer + "attn_k", kHidden / 2, kHidden);
    matrix(layer + "attn_v", kHidden / 2, kHidden);
    matrix(layer + "attn_output", kHidden, kHidden);
    matrix(layer + "ffn_gate", kMlp, kHidden);
    matrix(layer + "ffn_up", kMlp, kHidden);
    matrix(layer + "ffn_down", kHidden, kMlp);
  }
  return file.bytes();
}

class SameBitsOfFormat : public testing::TestWithParam<WeightFormat> {};

// Q2_K becomes float16 at load, the others stay.
TEST_P(SameBitsOfFormat, AloneInChunksInABatchAndAgainOnEveryInstructionSet) {
  const TempDir dir;
  write_file(dir / "a.gguf", llama_of(GetParam()));
  const GgufCheckpoint checkpoint(dir / "a.gguf");
  const DecoderConfig config = gguf_decoder_config(checkpoint);
  const bool stays = make_cpu_backend({.num_threads = 1})->takes(GetParam());
  EXPECT_EQ(stays, GetParam() != WeightFormat::kQ2_K);
  expect_same_bits(config, checkpoint);
  if (!stays) return;
  expect_same_bits(config, checkpoint, CpuActivations::kInt8);
  const auto whole = [&](CpuActivations activations) {
    return Computer(config, checkpoint,
                    make_cpu_backend({.num_threads = 1, .activations = activations}))
        .alone({kTokens});
  };
  const std::vector<float> floats = whole(CpuActivations::kFloat),
                           int16 = whole(CpuActivations::kInt16),
                           int8 = whole(CpuActivations::kInt8);
  EXPECT_TRUE(floats != int16 && floats != int8 && int16 != int8) << "were they what was asked?";
}

INSTANTIATE_TEST_SUITE_P(All, SameBitsOfFormat,
                         testing::Values(WeightFormat::kQ4_0, WeightFormat::kQ4_1,
                                         WeightFormat::kQ5_0, WeightFormat::kQ5_1,
                                         WeightFormat::kQ8_0, WeightFormat::kQ2_K,
                                         WeightFormat::kQ4_K, WeightFormat::kQ5_K,
                                         WeightFormat::kQ6_K),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace ember
