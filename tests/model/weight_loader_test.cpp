// SPDX-License-Identifier: Apache-2.0
#include "weight_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ember/model/safetensors.h"
#include "model/naive_backend.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::HasSubstr;

// In the order in which weights are visited: the embedding, then four matrices of each layer.
enum Matrix { kQkv = 1, kOutput, kGateUp, kDown };
const NaiveBackend::Matrix& matrix_of(const NaiveBackend& backend, Matrix matrix, size_t layer) {
  return *backend.matrices.at(4 * layer + static_cast<size_t>(matrix));
}

DecoderWeights load(NaiveBackend& backend, const std::filesystem::path& dir,
                    const LoadOptions& options = {}) {
  const SafetensorsCheckpoint checkpoint(dir);
  const DecoderConfig config = load_decoder_config(dir);
  WeightLoader loader(backend, checkpoint, config.dtype, options);
  DecoderWeights weights;
  visit_weights(config, weights, loader);
  return weights;
}

TEST(WeightLoader, PartsAreStackedInOrderAndKeepTheirType) {
  NaiveBackend backend;
  const DecoderWeights weights = load(backend, tiny_model("qwen2"));
  ASSERT_EQ(weights.layers.size(), 2u);
  EXPECT_EQ(weights.layers[1].qkv.out_features, 128);
  const NaiveBackend::Matrix& made = matrix_of(backend, kQkv, 1);
  EXPECT_EQ(weights.layers[1].qkv.impl, &made);
  EXPECT_EQ(made.formats, std::vector<WeightFormat>(3, WeightFormat::kBF16));
  const SafetensorsCheckpoint checkpoint(tiny_model("qwen2"));
  const StoredTensor k = checkpoint.stored("model.layers.1.self_attn.k_proj.weight"),
                     v_bias = checkpoint.stored("model.layers.1.self_attn.v_proj.bias");
  EXPECT_EQ(made.weight[64 * 64 + 5], element_to_float(DType::kBF16, k.data, 5));
  EXPECT_EQ(made.bias[64 + 32 + 7], element_to_float(DType::kBF16, v_bias.data, 7));
}

TEST(WeightLoader, PartsMayDifferInType) {
  const TempModel model("llama2");  // float32
  model.store_as([](const std::string& name) {
    return name == "model.layers.0.self_attn.k_proj.weight" ? DType::kF16 : DType::kF32;
  });
  NaiveBackend backend, before;
  load(backend, model.path());
  load(before, tiny_model("llama2"));
  const NaiveBackend::Matrix &mixed = matrix_of(backend, kQkv, 0),
                             &floats = matrix_of(before, kQkv, 0);
  EXPECT_EQ(mixed.formats,
            (std::vector{WeightFormat::kF32, WeightFormat::kF16, WeightFormat::kF32}));
  EXPECT_EQ(mixed.weight[5], floats.weight[5]);
  EXPECT_EQ(mixed.weight[64 * 64], f16_to_float(float_to_f16(floats.weight[64 * 64])));
  EXPECT_EQ(mixed.weight.back(), floats.weight.back());
}

TEST(WeightLoader, ATiedOutputMatrixIsTheEmbedding) {
  NaiveBackend backend;
  const DecoderWeights tied = load(backend, tiny_model("qwen2"));
  EXPECT_EQ(tied.lm_head.impl, tied.embedding.impl);
  const DecoderWeights own = load(backend, tiny_model("llama2"));
  EXPECT_NE(own.lm_head.impl, own.embedding.impl);
}

TEST(WeightLoader, ProgressEndsAtTheTotal) {
  for (const char* name : {"llama2", "qwen2"}) {  // the latter has biases
    NaiveBackend backend;
    size_t last = 0, calls = 0;
    const size_t expected = SafetensorsCheckpoint(tiny_model(name)).total_bytes();
    LoadOptions options;
    options.progress = [&](size_t done, size_t total) {
      EXPECT_GT(done, last);
      EXPECT_LE(done, total);
      EXPECT_EQ(total, expected);
      last = done;
      ++calls;
    };
    load(backend, tiny_model(name), options);
    EXPECT_GT(calls, 10u);
    EXPECT_EQ(last, expected) << name;
  }
}

// Tells which tensors were given back.
class WatchedCheckpoint final : public Checkpoint {
 public:
  explicit WatchedCheckpoint(const std::filesystem::path& dir) : inner_(dir) {}
  const std::filesystem::path& path() const override { return inner_.path(); }
  std::vector<std::string> names() const override { return inner_.names(); }
  bool has(std::string_view name) const override { return inner_.has(name); }
  StoredTensor stored(std::string_view name) const override { return inner_.stored(name); }
  size_t total_bytes() const override { return inner_.total_bytes(); }
  void release(const StoredTensor& tensor) const override {
    inner_.release(tensor);
    released.push_back(tensor.data);
  }

  mutable std::vector<const void*> released;

 private:
  const SafetensorsCheckpoint inner_;
};

TEST(WeightLoader, GivesTheMemoryOfEveryMatrixBack) {
  const WatchedCheckpoint checkpoint(tiny_model("llama2"));
  NaiveBackend backend;
  const LoadOptions options;
  const DecoderConfig config = load_decoder_config(tiny_model("llama2"));
  WeightLoader loader(backend, checkpoint, config.dtype, options);
  DecoderWeights weights;
  visit_weights(config, weights, loader);
  for (const TensorSpec& spec : required_tensors(config))
    if (spec.shape.size() == 2) {
      EXPECT_THAT(checkpoint.released, testing::Contains(checkpoint.stored(spec.name).data))
          << spec.name;
    }
}

TEST(WeightLoader, ConversionKeepsValuesAndRefusesOverflow) {
  const TempModel model("llama2");  // float32
  const auto first_of_down = [&](DType dtype) {
    NaiveBackend backend;
    LoadOptions options;
    options.dtype = dtype;
    load(backend, model.path(), options);
    const NaiveBackend::Matrix& down = matrix_of(backend, kDown, 0);
    return std::pair(down.weight[0], down.formats[0]);
  };
  const float value = first_of_down(DType::kF32).first;
  EXPECT_EQ(first_of_down(DType::kF16),
            std::pair(f16_to_float(float_to_f16(value)), WeightFormat::kF16));
  EXPECT_EQ(first_of_down(DType::kBF16),
            std::pair(bf16_to_float(float_to_bf16(value)), WeightFormat::kBF16));
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    const float large = 70000;
    std::memcpy(data.data() +
                    header["model.layers.0.mlp.down_proj.weight"]["data_offsets"][0].get<size_t>(),
                &large, sizeof large);
  });
  EXPECT_EQ(first_of_down(DType::kBF16).second, WeightFormat::kBF16);
  EXPECT_THAT(
      refusal([&] { first_of_down(DType::kF16); }),
      HasSubstr("\"model.layers.0.mlp.down_proj.weight\" holds 70000, too large for float16"));
}

TEST(WeightLoader, AnUnalignedFileIsReadAllTheSame) {
  const TempModel model("llama2");
  const std::string bytes = read_file(model / "model.safetensors");
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  write_file(model / "model.safetensors",
             safetensors(bytes.substr(8, size) + " ", bytes.substr(8 + size)));
  const auto norm_and_matrix = [&](const std::filesystem::path& dir) {
    NaiveBackend backend;
    const Tensor norm = load(backend, dir).final_norm;
    return std::pair(std::vector<float>(norm.as<float>(), norm.as<float>() + 64),
                     matrix_of(backend, kQkv, 0).weight);
  };
  EXPECT_EQ(norm_and_matrix(model.path()), norm_and_matrix(tiny_model("llama2")));
}

}  // namespace
}  // namespace ember
