// SPDX-License-Identifier: Apache-2.0
#include "quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"

namespace ember {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kProjection = "model.layers.3.self_attn.q_proj";

json awq() {
  return {{"quant_method", "awq"}, {"bits", 4}, {"group_size", 64}, {"version", "gemm"}};
}
json gptq() {
  return {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 128}, {"desc_act", true}};
}
json fp8() { return {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}}; }
json compressed(const std::string& format, const json& weights) {
  return {{"quant_method", "compressed-tensors"},
          {"format", format},
          {"ignore", {"lm_head"}},
          {"config_groups", {{"group_0", {{"targets", {"Linear"}}, {"weights", weights}}}}}};
}
json packed() {
  return compressed("pack-quantized", {{"num_bits", 4}, {"type", "int"}, {"group_size", 32}});
}

std::optional<Quantization> read_text(const std::string& config) {
  const TempDir dir;
  write_file(dir / "config.json", config);
  return read_quantization(JsonObject::read(dir / "config.json"));
}
std::optional<Quantization> read(const json& quantization,
                                 const std::string& field = "quantization_config") {
  return read_text(json{{field, quantization}}.dump());
}
std::string why_refused(const json& quantization) {
  return refusal([&] { read(quantization); });
}
json with(json object, const char* pointer, const json& value) {
  object[json::json_pointer(pointer)] = value;
  return object;
}

TEST(Quantization, AbsentIsNone) {
  EXPECT_FALSE(read(nullptr));
  EXPECT_FALSE(read_quantization(JsonObject("config.json", "", json::object())));
}

TEST(Quantization, Awq) {
  const QuantizationScheme scheme = *read(awq())->scheme_of(kProjection);
  EXPECT_EQ(scheme.layout, QuantizedLayout::kAwq);
  EXPECT_EQ(scheme.scale_columns, 64);
  EXPECT_EQ(scheme.format_of_rows(128), WeightFormat::kQ4_1);
  const json old = {
      {"quant_method", "AWQ"}, {"w_bit", 4}, {"q_group_size", -1}, {"version", "GEMM"}};
  EXPECT_EQ(read(old)->scheme_of(kProjection)->scale_columns, 0) << "the row";
}

TEST(Quantization, GptqHasTwoFormatsOfZeroPoints) {
  const QuantizationScheme scheme = *read(gptq())->scheme_of(kProjection);
  EXPECT_EQ(scheme.layout, QuantizedLayout::kGptq);
  EXPECT_TRUE(scheme.activation_order);
  EXPECT_TRUE(scheme.zeros_less_one);
  const json second = with(with(gptq(), "/checkpoint_format", "gptq_v2"), "/bits", 8);
  EXPECT_FALSE(read(second)->scheme_of(kProjection)->zeros_less_one);
  EXPECT_EQ(read(second)->scheme_of(kProjection)->format_of_rows(128), WeightFormat::kInt8);
}

TEST(Quantization, GptqMayDifferFromModuleToModule) {
  const json dynamic = {{"+:.*\\.down_proj", {{"bits", 8}, {"group_size", 32}}},
                        {"-:.*\\.layers\\.0\\.", json::object()}};
  const std::optional<Quantization> quantization = read(with(gptq(), "/dynamic", dynamic));
  EXPECT_EQ(quantization->scheme_of("model.layers.1.mlp.down_proj")->bits, 8);
  EXPECT_EQ(quantization->scheme_of("model.layers.1.mlp.down_proj")->scale_columns, 32);
  EXPECT_EQ(quantization->scheme_of("model.layers.1.mlp.up_proj")->bits, 4);
  EXPECT_FALSE(quantization->expects_quantized("model.layers.0.mlp.up_proj"));
}

// As GPTQModel reads them.
TEST(Quantization, TheFirstRuleOfGptqThatMatchesHolds) {
  const auto with_rules = [](const std::string& rules) {
    return read_text(R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "dynamic": {)" +
                     rules + "}}}");
  };
  const std::string all = R"("+:.*": {"bits": 8})", down = R"("+:.*down": {"group_size": 32})",
                    none = R"("-:.*down": {})", module = "model.layers.1.mlp.down_proj";
  const auto bits_and_group = [&](const std::string& rules) {
    const QuantizationScheme scheme = *with_rules(rules)->scheme_of(module);
    return std::pair(scheme.bits, scheme.scale_columns);
  };
  EXPECT_EQ(bits_and_group(all + "," + down), std::pair(8, int64_t{128}));
  EXPECT_EQ(bits_and_group(down + "," + all), std::pair(4, int64_t{32}));
  EXPECT_TRUE(with_rules(all + "," + none)->expects_quantized(module));
  EXPECT_FALSE(with_rules(none + "," + all)->expects_quantized(module));
  EXPECT_TRUE(with_rules(none + "," + all)->expects_quantized("model.layers.1.mlp.up_proj"));
}

TEST(Quantization, Fp8) {
  const QuantizationScheme blocks = *read(fp8())->scheme_of(kProjection);
  EXPECT_EQ(blocks.format_of_rows(128), WeightFormat::kF8E4M3);
  EXPECT_EQ(blocks.scale_rows, 128);
  EXPECT_EQ(blocks.scale_columns, 128);
  const json one = {{"quant_method", "fp8"}, {"activation_scheme", "static"}};
  EXPECT_EQ(read(one)->scheme_of(kProjection)->scale_rows, 0);
  EXPECT_TRUE(read(one)->scheme_of(kProjection)->static_activations);
}

TEST(Quantization, CompressedTensors) {
  const std::optional<Quantization> quantization = read(packed());
  const QuantizationScheme scheme = *quantization->scheme_of(kProjection);
  EXPECT_EQ(scheme.layout, QuantizedLayout::kPacked);
  EXPECT_EQ(scheme.scale_columns, 32);
  EXPECT_TRUE(scheme.symmetric);
  EXPECT_FALSE(quantization->expects_quantized("lm_head"));
  EXPECT_EQ(quantization->scheme_of("model.embed_tokens"), nullptr);
  EXPECT_EQ(read(packed(), "compression_config")->scheme_of(kProjection)->scale_columns, 32);
  const json ints = compressed("int-quantized", {{"num_bits", 8}, {"strategy", "channel"}});
  EXPECT_EQ(read(ints)->scheme_of(kProjection)->layout, QuantizedLayout::kInt8);
  const json floats =
      compressed("naive-quantized", {{"num_bits", 8}, {"type", "float"}, {"strategy", "tensor"}});
  EXPECT_EQ(read(floats)->scheme_of(kProjection)->layout, QuantizedLayout::kFp8);
  EXPECT_EQ(read(compressed("dense", {{"num_bits", 8}}))->scheme_of(kProjection), nullptr);
}

TEST(Quantization, GroupsHaveTargetsAndFormatsOfTheirOwn) {
  json mixed = with(packed(), "/format", "mixed-precision");
  mixed["config_groups"]["group_0"]["format"] = "pack-quantized";
  mixed["config_groups"]["group_1"] = {{"targets", {"re:.*down_proj$"}},
                                       {"format", "float-quantized"},
                                       {"weights", {{"num_bits", 8}, {"type", "float"}}}};
  const std::optional<Quantization> quantization = read(mixed);
  EXPECT_EQ(quantization->scheme_of(kProjection)->layout, QuantizedLayout::kPacked);
  EXPECT_EQ(quantization->scheme_of("model.layers.0.mlp.down_proj")->layout, QuantizedLayout::kFp8);
  json embeddings = packed();
  embeddings["config_groups"]["group_0"]["targets"] = {"Embedding"};
  EXPECT_NE(read(embeddings)->scheme_of("model.embed_tokens"), nullptr);
  EXPECT_EQ(read(embeddings)->scheme_of(kProjection), nullptr);
}

TEST(Quantization, WhatIsNotSupportedIsNamedWithWhatIs) {
  const struct {
    json config;
    const char *field, *expected;
  } cases[] = {
      {{{"quant_method", "bitsandbytes"}}, "quant_method", "awq, gptq, compressed-tensors or fp8"},
      {json::object(), "quant_method", "found nothing"},
      {with(awq(), "/bits", 3), "bits", "expected 4"},
      {with(awq(), "/version", "gemv"), "version", "\"gemm\""},
      {with(awq(), "/zero_point", false), "zero_point", "expected true"},
      {with(awq(), "/group_size", 0), "group_size", "-1 or 1"},
      {with(awq(), "/modules_to_not_convert", {"re:(x"}), "modules_to_not_convert", "pattern"},
      {with(gptq(), "/bits", 2), "bits", "4 or 8"},
      {with(gptq(), "/checkpoint_format", "marlin"), "checkpoint_format", "gptq_v2"},
      {with(gptq(), "/pack_dtype", "int16"), "pack_dtype", "int32"},
      {with(gptq(), "/dynamic", {{"+:.*", {{"bits", 3}}}}), "dynamic.+:.*.bits", "4 or 8"},
      {with(fp8(), "/fmt", "e5m2"), "fmt", "e4m3"},
      {with(fp8(), "/activation_scheme", "odd"), "activation_scheme", "static"},
      {with(fp8(), "/weight_block_size", {128}), "weight_block_size", "two positive"},
      {with(packed(), "/format", "nvfp4-pack-quantized"), "format", "pack-quantized"},
      {with(packed(), "/config_groups", json::object()), "config_groups", "groups"},
      {with(packed(), "/config_groups/group_0/weights/num_bits", 3),
       "config_groups.group_0.weights.num_bits", "4 or 8"},
      {with(packed(), "/config_groups/group_0/weights/type", "float"), "weights.type", "int"},
      {with(packed(), "/config_groups/group_0/weights/strategy", "tensor_group"), "strategy",
       "block"},
      {with(packed(), "/config_groups/group_0/targets", json::array()), "targets", "modules"},
      {with(packed(), "/sparsity_config", {{"format", "sparse-24-bitmask"}}),
       "sparsity_config.format", "dense"},
      {with(packed(), "/transform_config", {{"config_groups", {{"a", 1}}}}),
       "transform_config.config_groups", "not supported"}};
  for (const auto& c : cases)
    EXPECT_THAT(why_refused(c.config), AllOf(HasSubstr("config.json: \"quantization_config."),
                                             HasSubstr(c.field), HasSubstr(c.expected)))
        << c.config;
}

TEST(QuantizationScheme, RowsAreBlocksWhereBlocksCanSayThem) {
  const auto format = [](const json& config, int64_t columns) {
    return read(config)->scheme_of(kProjection)->format_of_rows(columns);
  };
  const json in_order = with(gptq(), "/desc_act", false);
  EXPECT_EQ(format(in_order, 128), WeightFormat::kQ4_0);
  EXPECT_EQ(format(with(in_order, "/sym", false), 128), WeightFormat::kQ4_1);
  EXPECT_EQ(format(with(in_order, "/bits", 8), 128), WeightFormat::kQ8_0);
  EXPECT_EQ(format(with(with(in_order, "/bits", 8), "/sym", false), 128), WeightFormat::kInt8);
  EXPECT_EQ(format(with(in_order, "/group_size", -1), 96), WeightFormat::kQ4_0);
  EXPECT_EQ(format(with(in_order, "/group_size", -1), 80), WeightFormat::kInt4);
  EXPECT_EQ(format(with(in_order, "/group_size", 16), 128), WeightFormat::kInt4);
  EXPECT_EQ(format(gptq(), 128), WeightFormat::kInt4) << "columns may be in any order";
  EXPECT_EQ(format(packed(), 128), WeightFormat::kQ4_0);
}

TEST(ModulePattern, AreNamesWholeComponentsOfThemOrExpressions) {
  const struct {
    const char *pattern, *module;
    bool matches;
  } cases[] = {{"lm_head", "lm_head", true},
               {kProjection, kProjection, true},
               {"model.layers.1", "model.layers.1.mlp.up_proj", true},
               {"model.layers.1", "model.layers.10.mlp.up_proj", false},
               {"self_attn", kProjection, true},
               {"k_proj", "model.layers.3.self_attn.k_proj", true},
               {"gate", "model.layers.3.mlp.gate_proj", false},
               {"", kProjection, false},
               {"re:.*self_attn.*", kProjection, true},
               {"re:self_attn", kProjection, false},
               {"re:.*\\.q_proj$", kProjection, true},
               {"re:model\\.layers\\.[0-2]\\.", kProjection, false},
               {"model.layers.3.self_attn.qkv_proj", kProjection, true},
               {"re:.*gate_up_proj", "model.layers.0.mlp.up_proj", true},
               {"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.gate_up_proj", true},
               {"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj", false}};
  for (const auto& c : cases)
    EXPECT_EQ(ModulePattern(c.pattern).matches(c.module), c.matches)
        << c.pattern << " " << c.module;
}

TEST(Quantization, ExcludedModulesAreNotExpected) {
  const std::optional<Quantization> quantization =
      read(with(fp8(), "/modules_to_not_convert", {"model.layers.0", "re:.*down_proj"}));
  EXPECT_FALSE(quantization->expects_quantized("model.layers.0.mlp.up_proj"));
  EXPECT_FALSE(quantization->expects_quantized("model.layers.1.mlp.down_proj"));
  EXPECT_FALSE(quantization->expects_quantized("lm_head"));
  EXPECT_FALSE(quantization->expects_quantized("model.embed_tokens"));
  EXPECT_TRUE(quantization->expects_quantized("model.layers.1.mlp.up_proj"));
  EXPECT_TRUE(read(with(gptq(), "/lm_head", true))->expects_quantized("lm_head"));
}

}  // namespace
}  // namespace ember
