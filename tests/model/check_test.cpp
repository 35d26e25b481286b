// SPDX-License-Identifier: Apache-2.0
#include "ember/model/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ember/model/quantized_checkpoint.h"
#include "ember/model/safetensors.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void check_model(const std::filesystem::path& dir, bool deep) {
  const DecoderConfig config = load_decoder_config(dir);
  load_generation_defaults(dir, config);
  const std::unique_ptr<Checkpoint> checkpoint = open_weights(dir);
  check_tensors(*checkpoint, config);
  if (deep) check_finite(*checkpoint);
}

std::string why_refused(const std::filesystem::path& dir, bool deep = false) {
  return refusal([&] { check_model(dir, deep); });
}

TEST(CheckModel, EveryTinyModelIsSound) {
  for (const auto& entry : std::filesystem::directory_iterator(tiny_model("")))
    EXPECT_NO_THROW(check_model(entry.path(), true)) << entry.path();
}

TEST(CheckModel, AMissingTensorIsNamed) {
  const TempModel model;
  model.edit_checkpoint([](nlohmann::json& header, std::string&) {
    header["renamed"] = header["model.layers.1.mlp.up_proj.weight"];
    header.erase("model.layers.1.mlp.up_proj.weight");
  });
  EXPECT_THAT(why_refused(model.path()),
              HasSubstr("\"model.layers.1.mlp.up_proj.weight\" of shape [80, 64] is missing"));
}

TEST(CheckModel, ShapesMustFitTheConfig) {
  const TempModel model;
  model.set("vocab_size", 129);
  EXPECT_THAT(why_refused(model.path()),
              AllOf(HasSubstr("model.embed_tokens.weight"),
                    HasSubstr("expected shape [129, 64], found [128, 64]")));
}

TEST(CheckModel, OnlyADeepCheckReadsTheWeights) {
  const TempModel model("qwen3");
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    const size_t last = header["model.layers.0.mlp.down_proj.weight"]["data_offsets"][1];
    data.replace(last - 2, 2, "\xc0\x7f");
  });
  EXPECT_NO_THROW(check_model(model.path(), false));
  EXPECT_THAT(why_refused(model.path(), true),
              AllOf(HasSubstr("model.safetensors"),
                    HasSubstr("\"model.layers.0.mlp.down_proj.weight\" holds a NaN")));
}

TEST(CheckModel, GenerationConfigIsChecked) {
  const TempModel model;
  model.edit("generation_config.json", [](nlohmann::json& g) { g["eos_token_id"] = 128; });
  EXPECT_THAT(why_refused(model.path()), AllOf(HasSubstr("generation_config.json"),
                                               HasSubstr("eos_token_id"), HasSubstr("0 to 127")));
}

TEST(CheckFinite, NonFiniteWeightsAreFoundInEveryType) {
  const struct {
    const char* model;
    std::string bits;
    bool finite;
  } cases[] = {{"llama2", std::string("\x00\x00\xc0\x7f", 4), false},
               {"llama2", std::string("\x00\x00\x80\xff", 4), false},
               {"llama2", std::string("\xff\xff\x7f\x7f", 4), true},
               {"qwen3", std::string("\x80\x7f", 2), false},
               {"qwen3", std::string("\x7f\x7f", 2), true},
               {"llama_biases", std::string("\x00\x7e", 2), false},
               {"llama_biases", std::string("\xff\x7b", 2), true}};
  for (const auto& c : cases) {
    const TempModel model(c.model);
    model.edit_checkpoint([&](nlohmann::json& header, std::string& data) {
      data.replace(header["model.norm.weight"]["data_offsets"][0].get<size_t>(), c.bits.size(),
                   c.bits);
    });
    const SafetensorsCheckpoint checkpoint(model.path());
    if (c.finite)
      EXPECT_NO_THROW(check_finite(checkpoint)) << c.model;
    else
      EXPECT_THAT(refusal([&] { check_finite(checkpoint); }),
                  HasSubstr("\"model.norm.weight\" holds a NaN"))
          << c.model;
  }
}

TEST(CheckTensors, ATiedOutputMatrixMustEqualTheEmbedding) {
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
  EXPECT_NO_THROW(check_tensors(SafetensorsCheckpoint(model.path()), config));
  model.edit_checkpoint(
      [](nlohmann::json&, std::string& data) { data.back() = static_cast<char>(data.back() ^ 1); });
  EXPECT_THAT(refusal([&] { check_tensors(SafetensorsCheckpoint(model.path()), config); }),
              HasSubstr("\"lm_head.weight\" differs from \"model.embed_tokens.weight\""));
}

// As numbers: they may be stored as another type, or as codes and scales.
TEST(CheckTensors, ATiedOutputMatrixMayBeStoredInAnotherWay) {
  const TempModel model("qwen2");
  const DecoderConfig config = load_decoder_config(model.path());
  constexpr size_t kRows = 128, kColumns = 64;
  // The embedding becomes whole numbers from -8 to 7, of which lm_head has codes of 8 bits.
  const auto number = [](size_t i) { return static_cast<int>(i * 7 % 16) - 8; };
  model.edit_checkpoint([&](nlohmann::json& header, std::string& data) {
    const size_t begin = header["model.embed_tokens.weight"]["data_offsets"][0];
    std::string floats, codes;
    for (size_t i = 0; i < kRows * kColumns; ++i) {
      const auto value = static_cast<float>(number(i));
      const uint16_t bits = float_to_bf16(value);
      std::memcpy(data.data() + begin + 2 * i, &bits, sizeof bits);
      floats.append(reinterpret_cast<const char*>(&value), sizeof value);
      codes += static_cast<char>(2 * number(i));
    }
    const auto add = [&](const char* name, const char* type, const std::vector<size_t>& shape,
                         const std::string& bytes) {
      header[name] = {{"dtype", type},
                      {"shape", shape},
                      {"data_offsets", {data.size(), data.size() + bytes.size()}}};
      data += bytes;
    };
    add("codes", "I8", {kRows, kColumns}, codes);
    add("lm_head.weight_scale", "F32", {1}, std::string("\x00\x00\x00\x3f", 4));  // 0.5
    add("lm_head.weight", "F32", {kRows, kColumns}, floats);
  });
  const auto check = [&] { check_tensors(*open_weights(model.path()), config); };
  const auto flip = [&](const char* tensor) {
    model.edit_checkpoint([&](nlohmann::json& header, std::string& data) {
      char& last = data[header[tensor]["data_offsets"][1].get<size_t>() - 1];
      last = static_cast<char>(last ^ 1);
    });
  };
  const char* const kDiffers = "\"lm_head.weight\" differs from \"model.embed_tokens.weight\"";
  EXPECT_NO_THROW(check());
  flip("lm_head.weight");
  EXPECT_THAT(refusal(check), HasSubstr(kDiffers));
  model.edit_checkpoint([](nlohmann::json& header, std::string&) {
    std::swap(header["lm_head.weight"], header["codes"]);
  });
  model.set(
      "quantization_config",
      {{"quant_method", "compressed-tensors"},
       {"format", "int-quantized"},
       {"config_groups",
        {{"group_0",
          {{"targets", {"lm_head"}}, {"weights", {{"num_bits", 8}, {"strategy", "tensor"}}}}}}}});
  EXPECT_NO_THROW(check());
  flip("lm_head.weight");
  EXPECT_THAT(refusal(check), HasSubstr(kDiffers));
}

TEST(CheckTensors, AnUntiedModelNeedsItsOutputMatrix) {
  const TempModel model("qwen2");
  model.set("tie_word_embeddings", false);
  EXPECT_THAT(refusal([&] {
                check_tensors(SafetensorsCheckpoint(model.path()),
                              load_decoder_config(model.path()));
              }),
              HasSubstr("\"lm_head.weight\""));
}

}  // namespace
}  // namespace ember
