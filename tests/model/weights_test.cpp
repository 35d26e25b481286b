// SPDX-License-Identifier: Apache-2.0
#include "weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ember/model/check.h"
#include "model/naive_backend.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Weights, PartsAreStackedInOrderAndKeepTheirType) {
  const DecoderConfig config = load_decoder_config(tiny_model("qwen2"));
  const Checkpoint checkpoint = Checkpoint::open(tiny_model("qwen2"));
  NaiveBackend backend;
  const LoadOptions options;
  WeightLoader loader(backend, {}, checkpoint, options);
  const MatrixSpec spec = layer_spec(config, 1).qkv;
  EXPECT_EQ(spec.out_features(), 128);
  const Linear qkv = loader.matrix(spec);
  EXPECT_EQ(qkv.out_features, 128);
  const NaiveBackend::Matrix& made = *backend.matrices.back();
  EXPECT_EQ(made.formats, std::vector<WeightFormat>(3, WeightFormat::kBF16));
  const Tensor k =
      checkpoint.tensor("model.layers.1.self_attn.k_proj.weight", std::vector<int64_t>{32, 64});
  const Tensor v_bias =
      checkpoint.tensor("model.layers.1.self_attn.v_proj.bias", std::vector<int64_t>{32});
  EXPECT_EQ(made.weight[64 * 64 + 5], naive_element(k, 5));
  EXPECT_EQ(made.bias[64 + 32 + 7], naive_element(v_bias, 7));
}

TEST(Weights, ProgressNeverExceedsTheTotal) {
  const Checkpoint checkpoint = Checkpoint::open(tiny_model("llama2"));
  NaiveBackend backend;
  size_t last = 0, calls = 0;
  LoadOptions options;
  options.progress = [&](size_t done, size_t total) {
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    EXPECT_EQ(total, checkpoint.total_bytes());
    last = done;
    ++calls;
  };
  const Decoder decoder(backend, load_decoder_config(tiny_model("llama2")), checkpoint, options);
  EXPECT_GT(calls, 10u);
  EXPECT_EQ(last, checkpoint.total_bytes());
}

TEST(Weights, ConversionKeepsValuesAndRefusesOverflow) {
  const TempModel model("llama2");  // float32
  const auto load = [&](DType dtype) {
    NaiveBackend backend;
    LoadOptions options;
    options.dtype = dtype;
    const DecoderConfig config = load_decoder_config(model.path());
    const Checkpoint checkpoint = Checkpoint::open(model.path());
    WeightLoader loader(backend, {}, checkpoint, options);
    loader.matrix(layer_spec(config, 0).down);
    return std::pair(backend.matrices.back()->weight[0], backend.matrices.back()->formats[0]);
  };
  const float value = load(DType::kF32).first;
  EXPECT_EQ(load(DType::kF16), std::pair(f16_to_float(float_to_f16(value)), WeightFormat::kF16));
  EXPECT_EQ(load(DType::kBF16),
            std::pair(bf16_to_float(float_to_bf16(value)), WeightFormat::kBF16));
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    const float large = 70000;
    std::memcpy(data.data() +
                    header["model.layers.0.mlp.down_proj.weight"]["data_offsets"][0].get<size_t>(),
                &large, sizeof large);
  });
  EXPECT_EQ(load(DType::kBF16).second, WeightFormat::kBF16);
  EXPECT_THAT(refusal([&] { load(DType::kF16); }),
              AllOf(HasSubstr("\"model.layers.0.mlp.down_proj.weight\" holds 70000"),
                    HasSubstr("--dtype float16")));
}

TEST(Weights, AnUnalignedFileIsReadAllTheSame) {
  const TempModel model("llama2");
  const std::string bytes = read_file(model / "model.safetensors");
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  write_file(model / "model.safetensors",
             safetensors(bytes.substr(8, size) + " ", bytes.substr(8 + size)));
  const DecoderConfig config = load_decoder_config(model.path());
  const auto norm_and_matrix = [&](const std::filesystem::path& dir) {
    NaiveBackend backend;
    const LoadOptions options;
    const Checkpoint checkpoint = Checkpoint::open(dir);
    WeightLoader loader(backend, {}, checkpoint, options);
    loader.matrix(layer_spec(config, 0).qkv);
    const Tensor norm = loader.vector(kFinalNorm, 64);
    return std::pair(std::vector<float>(norm.as<float>(), norm.as<float>() + 64),
                     backend.matrices.back()->weight);
  };
  EXPECT_EQ(norm_and_matrix(model.path()), norm_and_matrix(tiny_model("llama2")));
}

TEST(Weights, ATiedOutputMatrixMustEqualTheEmbedding) {
  const TempModel model("qwen2");
  const DecoderConfig config = load_decoder_config(model.path());
  ASSERT_TRUE(config.tie_word_embeddings);
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    const auto offsets =
        header["model.embed_tokens.weight"]["data_offsets"].get<std::vector<size_t>>();
    header["lm_head.weight"] = header["model.embed_tokens.weight"];
    header["lm_head.weight"]["data_offsets"] = {data.size(), data.size() + offsets[1] - offsets[0]};
    data += data.substr(offsets[0], offsets[1] - offsets[0]);
  });
  EXPECT_NO_THROW(check_tensors(Checkpoint::open(model.path()), config));
  model.edit_checkpoint(
      [](nlohmann::json&, std::string& data) { data.back() = static_cast<char>(data.back() ^ 1); });
  EXPECT_THAT(refusal([&] { check_tensors(Checkpoint::open(model.path()), config); }),
              HasSubstr("\"lm_head.weight\" differs from \"model.embed_tokens.weight\""));
}

TEST(Weights, AnUntiedModelNeedsItsOutputMatrix) {
  const TempModel model("qwen2");
  model.set("tie_word_embeddings", false);
  EXPECT_THAT(refusal([&] {
                check_tensors(Checkpoint::open(model.path()), load_decoder_config(model.path()));
              }),
              HasSubstr("\"lm_head.weight\""));
}

}  // namespace
}  // namespace ember
