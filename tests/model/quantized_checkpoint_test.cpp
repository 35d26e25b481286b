// SPDX-License-Identifier: Apache-2.0
#include "ember/model/quantized_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/check.h"
#include "ember/model/decoder.h"
#include "ember/model/dequantize.h"
#include "ember/model/safetensors.h"
#include "model/model_runner.h"
#include "model/plan_and_allocation.h"
#include "model/resident.h"
#include "quantized_checkpoint.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kModels[] = {"llama_awq",   "qwen2_gptq",   "qwen3_fp8",
                                   "glm4_packed", "mistral_int8", "llama_float8"};
constexpr const char* kUp = "model.layers.1.mlp.up_proj.weight";

std::string why_refused(const std::filesystem::path& dir) {
  return refusal([&] {
    const DecoderConfig config = load_decoder_config(dir);
    const std::unique_ptr<Checkpoint> weights = open_weights(dir);
    check_tensors(*weights, config);
    check_finite(*weights);
  });
}

TEST(QuantizedCheckpoint, ShowsModulesAsWeights) {
  const std::unique_ptr<Checkpoint> weights = open_weights(tiny_model("llama_awq"));
  const std::vector<std::string> names = weights->names();
  EXPECT_THAT(
      names, AllOf(Contains(kUp), Contains("model.norm.weight"), Not(Contains(HasSubstr("scales"))),
                   Not(Contains(HasSubstr("qweight")))));
  EXPECT_TRUE(weights->has(kUp));
  EXPECT_FALSE(weights->has("model.layers.9.mlp.up_proj.weight"));
  EXPECT_EQ(weights->stored(kUp).shape, (std::vector<int64_t>{96, 64}));
  EXPECT_EQ(weights->stored("model.norm.weight").quantized, nullptr);
  const SafetensorsCheckpoint files(tiny_model("llama_awq"));
  EXPECT_EQ(weights->total_bytes(), files.total_bytes());
  size_t bytes = 0;
  for (const std::string& name : names) bytes += weights->stored(name).bytes;
  EXPECT_EQ(bytes, files.total_bytes()) << "progress ends at the total";
}

TEST(QuantizedCheckpoint, APlainModelIsOpenedAsItIs) {
  EXPECT_NE(dynamic_cast<const SafetensorsCheckpoint*>(open_weights(tiny_model("llama2")).get()),
            nullptr);
}

TEST(QuantizedCheckpoint, ThePlanIsWhatLoadingTakes) {
  for (const char* name : kModels)
    for (const std::optional<DType> dtype : {std::optional<DType>(), std::optional(DType::kF32)})
      expect_plan_is_allocation(tiny_model(name), dtype,
                                dtype.has_value() || name != std::string("llama_awq"));
}

// A module's codes, and its scales.
TEST(QuantizedCheckpoint, AModulesMemoryIsGivenBack) {
  const TempDir dir;
  write_file(
      dir / "config.json",
      nlohmann::json{
          {"quantization_config",
           {{"quant_method", "compressed-tensors"},
            {"format", "int-quantized"},
            {"config_groups",
             {{"group_0",
               {{"targets", {"Linear"}},
                {"weights", {{"num_bits", 8}, {"strategy", "group"}, {"group_size", 32}}}}}}}}}}
          .dump());
  constexpr size_t kCodes = 512 << 10, kScales = 64 << 10, kOther = 256 << 10;
  const auto tensor = [](const char* type, std::vector<size_t> shape, size_t begin, size_t bytes) {
    return nlohmann::json{
        {"dtype", type}, {"shape", shape}, {"data_offsets", {begin, begin + bytes}}};
  };
  const nlohmann::json header = {{"m.weight", tensor("I8", {512, 1024}, 0, kCodes)},
                                 {"m.weight_scale", tensor("F32", {512, 32}, kCodes, kScales)},
                                 {"n.weight", tensor("F32", {256, 256}, kCodes + kScales, kOther)}};
  write_file(dir / "model.safetensors",
             safetensors(header.dump(), std::string(kCodes + kScales + kOther, '\1')));
  const std::unique_ptr<Checkpoint> checkpoint = open_weights(dir.path());
  const StoredTensor module = checkpoint->stored("m.weight"),
                     plain = checkpoint->stored("n.weight");
  ASSERT_NE(module.quantized, nullptr);
  touch(static_cast<const char*>(plain.data) - kCodes - kScales, kCodes + kScales + kOther);
  const size_t before = resident_bytes(plain.data);
  ASSERT_GE(before, kCodes + kScales + kOther);
  checkpoint->release(module);
  const size_t after = resident_bytes(plain.data);
  EXPECT_LE(after, before - kCodes - kScales / 2);
  EXPECT_GE(after, kOther) << "the other one stays";
  checkpoint->release(plain);
  EXPECT_LE(resident_bytes(plain.data), after - kOther / 2);
}

TEST(QuantizedCheckpoint, ThePlanSaysWhatWeightsBecome) {
  const auto formats = [](const char* name, std::optional<DType> dtype) {
    const std::unique_ptr<Backend> backend = make_cpu_backend({});
    return weight_formats(*backend, load_decoder_config(tiny_model(name)), dtype);
  };
  EXPECT_EQ(formats("llama_awq", {}), "Q4_1, float16");
  EXPECT_EQ(formats("llama_awq", DType::kF16), "float16 (from Q4_1)");
  EXPECT_EQ(formats("mistral_int8", {}), "Q8_0, bfloat16");
  EXPECT_EQ(formats("qwen2_gptq", {}), "float16, bfloat16 (from int4)");
  EXPECT_EQ(formats("qwen3_fp8", {}), "bfloat16 (from float8_e4m3)");
}

// As blocks, with integers for activations: near what float32 gives.
TEST(QuantizedCheckpoint, LoadedAsItIsAModelComputesTheSame) {
  const DecoderLimits limits{.max_tokens = 128,
                             .max_logit_rows = 4,
                             .max_model_len = 128,
                             .num_blocks = 12,
                             .block_size = 16};
  const std::vector<int32_t> prompt = {5, 17, 33, 90, 4, 4, 101, 77, 60};
  for (const char* name : kModels) {
    const DecoderConfig config = load_decoder_config(tiny_model(name));
    const auto logits_of = [&](std::optional<DType> dtype) {
      const std::unique_ptr<Backend> backend = make_cpu_backend({});
      Decoder decoder(*backend, config, *open_weights(tiny_model(name)), {.dtype = dtype});
      return ModelRunner(*backend, decoder, limits).forward(prompt, 4);
    };
    const std::vector<float> expected = logits_of(DType::kF32), logits = logits_of({});
    const float tolerance = config.dtype == DType::kBF16 ? 0.1f : 0.02f;
    for (size_t i = 0; i < logits.size(); ++i)
      ASSERT_NEAR(logits[i], expected[i], tolerance) << name << " " << i;
  }
}

TEST(QuantizedCheckpoint, WithoutFilesThePlanIsTheSame) {
  for (const char* name : kModels) {
    const TempModel model(name);
    const DecoderConfig config = load_decoder_config(model.path());
    ASSERT_FALSE(config.other_formats.empty()) << name;
    std::filesystem::remove(model.path() / "model.safetensors");
    EXPECT_EQ(load_decoder_config(model.path()).other_formats, config.other_formats) << name;
  }
}

TEST(QuantizedCheckpoint, AnIndexWithoutItsFilesIsNoWeights) {
  const TempModel model("llama_awq");
  const auto formats = [&] { return load_decoder_config(model.path()).other_formats; };
  const auto expected = formats();
  nlohmann::json map;
  for (const std::string& name : SafetensorsCheckpoint(model.path()).names())
    map[name] = "a.safetensors";
  write_file(model / "model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
  std::filesystem::rename(model / "model.safetensors", model / "a.safetensors");
  EXPECT_EQ(formats(), expected);
  std::filesystem::remove(model / "a.safetensors");
  EXPECT_EQ(formats(), expected);
}

// Which modules are quantised is seen in the files, whatever the lists of config.json say.
TEST(QuantizedCheckpoint, PlainModulesMayBeAmongThem) {
  const TempModel model("qwen3_fp8");
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    header["unused"] = header[kUp];  // so that its bytes are no hole
    header[kUp]["dtype"] = "BF16";
    header[kUp]["data_offsets"] = {data.size(), data.size() + 2 * 80 * 64};
    data += std::string(2 * 80 * 64, '\0');
  });
  const DecoderConfig config = load_decoder_config(model.path());
  EXPECT_FALSE(config.other_formats.contains(kUp));
  EXPECT_TRUE(config.other_formats.contains("model.layers.0.mlp.up_proj.weight"));
  EXPECT_EQ(open_weights(model.path())->stored(kUp).format, WeightFormat::kBF16);
}

// Both ways in which transformers has written the text part of a model that sees.
TEST(QuantizedCheckpoint, TheTextPartIsFoundUnderEitherName) {
  const std::vector<int32_t> prompt = {5, 17, 33, 90, 4};
  const auto logits_of = [&](const std::filesystem::path& dir) {
    const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
    const DecoderConfig config = load_decoder_config(dir);
    const std::unique_ptr<Checkpoint> weights = open_weights(dir);
    check_tensors(*weights, config);
    Decoder decoder(*backend, config, *weights, {});
    return ModelRunner(*backend, decoder,
                       {.max_tokens = 8,
                        .max_logit_rows = 4,
                        .max_model_len = 32,
                        .num_blocks = 4,
                        .block_size = 16})
        .forward(prompt, 4);
  };
  const std::string outer = "language_model.model.", inner = "model.language_model.";
  for (const bool tied : {true, false}) {
    const TempModel model("gemma3_vision");
    model.set("tie_word_embeddings", tied);
    model.edit_checkpoint([&](nlohmann::json& header, std::string& data) {
      header["vision_tower.embeddings.weight"] = {
          {"dtype", "F32"}, {"shape", {1}}, {"data_offsets", {data.size(), data.size() + 4}}};
      data += "1234";
      if (tied) return;
      const auto begin = header[outer + "embed_tokens.weight"]["data_offsets"][0].get<size_t>();
      header["language_model.lm_head.weight"] = {
          {"dtype", "BF16"},
          {"shape", {128, 64}},
          {"data_offsets", {data.size(), data.size() + 2 * 128 * 64}}};
      data += data.substr(begin + 2 * 64, 2 * 127 * 64) + data.substr(begin, 2 * 64);
    });
    const std::vector<float> expected = logits_of(model.path());
    if (tied) {
      EXPECT_EQ(expected, logits_of(tiny_model("gemma3_vision")));
    }
    model.edit_checkpoint([&](nlohmann::json& header, std::string&) {
      nlohmann::json renamed;
      for (const auto& [name, tensor] : header.items())
        renamed[name.starts_with(outer)                   ? inner + name.substr(outer.size())
                : name == "language_model.lm_head.weight" ? "lm_head.weight"
                : name.starts_with("vision")              ? "model." + name
                                                          : name] = tensor;
      header = renamed;
    });
    EXPECT_EQ(logits_of(model.path()), expected);
    std::filesystem::remove(model.path() / "model.safetensors");
    EXPECT_EQ(load_decoder_config(model.path()).text_part, TextPart::kOuter);
  }
}

TEST(QuantizedCheckpoint, AMissingTensorIsNamedAsItShouldBe) {
  const TempModel model("llama_awq");
  model.edit_checkpoint([](nlohmann::json& header, std::string&) {
    header["renamed"] = header["model.layers.1.mlp.up_proj.qweight"];
    header.erase("model.layers.1.mlp.up_proj.qweight");
  });
  EXPECT_THAT(why_refused(model.path()),
              HasSubstr("\"model.layers.1.mlp.up_proj.qweight\" of shape [64, 12] is missing"));
}

TEST(QuantizedCheckpoint, ShapesMustFitTheConfig) {
  const TempModel model("glm4_packed");
  model.set("intermediate_size", 128);
  EXPECT_THAT(why_refused(model.path()),
              AllOf(HasSubstr("gate_up_proj.weight_packed"),
                    HasSubstr("expected shape [256, 8], found [192, 8]")));
}

TEST(QuantizedCheckpoint, ANanInScalesIsNamed) {
  const TempModel model("qwen3_fp8");
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    const nlohmann::json& scale = header["model.layers.0.mlp.down_proj.weight_scale_inv"];
    data.replace(scale["data_offsets"][0].get<size_t>(), 4, std::string("\x00\x00\xc0\x7f", 4));
  });
  EXPECT_THAT(why_refused(model.path()),
              HasSubstr("\"model.layers.0.mlp.down_proj.weight_scale_inv\" holds a NaN"));
}

}  // namespace
}  // namespace ember
