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
#include "model/naive_backend.h"
#include "model/temp_model.h"
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

// Counts what matrices take, without computing with them; may take blocks.
class CountingBackend final : public NaiveBackend {
 public:
  explicit CountingBackend(bool takes_blocks) : takes_blocks_(takes_blocks) {}
  bool takes(WeightFormat format) const override {
    return dtype_of(format) || (takes_blocks_ && can_dequantize(format));
  }
  Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                     Split /*split*/, bool /*gated*/) override {
    const std::vector<WeightShape> shapes(weights.begin(), weights.end());
    bytes += linear_bytes(shapes, !biases.empty());
    return {};
  }

  size_t bytes = 0;

 private:
  const bool takes_blocks_;
};

TEST(QuantizedCheckpoint, ThePlanIsWhatLoadingTakes) {
  for (const char* name : kModels)
    for (const std::optional<DType> dtype : {std::optional<DType>(), std::optional(DType::kF32)}) {
      CountingBackend backend(dtype.has_value() || name != std::string("llama_awq"));
      const DecoderConfig config = load_decoder_config(tiny_model(name));
      const size_t planned = weight_bytes(backend, config, dtype);
      const Decoder decoder(backend, config, *open_weights(tiny_model(name)), {.dtype = dtype});
      EXPECT_EQ(backend.bytes + backend.allocated_bytes, planned) << name;
    }
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

TEST(QuantizedCheckpoint, WithoutFilesTheConfigSaysWhatIsQuantized) {
  const TempModel model("glm4_packed");
  const DecoderConfig config = load_decoder_config(model.path());
  std::filesystem::remove(model.path() / "model.safetensors");
  const DecoderConfig planned = load_decoder_config(model.path());
  EXPECT_EQ(planned.other_formats.size(), config.other_formats.size());
  for (const auto& [name, format] : planned.other_formats) {
    EXPECT_TRUE(config.other_formats.contains(name)) << name;
    EXPECT_EQ(format, WeightFormat::kInt4);
  }
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
