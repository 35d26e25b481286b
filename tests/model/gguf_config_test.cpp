// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_config.h"

#include <gmock/gmock.h>

#include <functional>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/decoder_plan.h"
#include "model/naive_backend.h"
#include "model/tiny_gguf.h"

namespace ember {
namespace {

using test::GgufWriter;
using test::TinyGguf;
using testing::AllOf;
using testing::HasSubstr;

// Of a tiny model, whose metadata `change` adds to.
DecoderConfig config_of(const TinyGguf& tiny, WeightFormat format,
                        const std::function<void(GgufWriter&)>& change = {}) {
  const TempDir dir;
  GgufWriter file = tiny.metadata();
  if (change) change(file);
  tiny.add_tensors(file, format);
  write_file(dir / "a.gguf", file.bytes());
  return gguf_decoder_config(GgufCheckpoint(dir / "a.gguf"));
}

DecoderConfig config_of(const char* name, const std::function<void(GgufWriter&)>& change = {}) {
  return config_of(TinyGguf(name), WeightFormat::kF32, change);
}

std::string why_refused(const char* name, const std::function<void(GgufWriter&)>& change) {
  return refusal([&] { config_of(name, change); });
}

TEST(GgufConfig, SaysWhatConfigJsonSays) {
  for (const char* name :
       {"llama2", "llama_linear", "llama_yarn", "llama_biases", "llama_head_dim_tied",
        "mistral_window", "qwen2", "qwen3", "glm", "glm4", "gemma2", "gemma3", "phi3", "phi3_long",
        "phi3_short", "olmo2", "granite", "smollm3"}) {
    SCOPED_TRACE(name);
    const DecoderConfig a = config_of(name), b = load_decoder_config(tiny_model(name));
    EXPECT_EQ(a.architecture, b.architecture);
    EXPECT_EQ(std::tuple(a.num_layers, a.hidden_size, a.intermediate_size, a.num_heads,
                         a.num_kv_heads, a.head_dim, a.vocab_size, a.norm_eps, a.max_position),
              std::tuple(b.num_layers, b.hidden_size, b.intermediate_size, b.num_heads,
                         b.num_kv_heads, b.head_dim, b.vocab_size, b.norm_eps, b.max_position));
    EXPECT_EQ(std::tuple(a.qkv_bias, a.output_bias, a.mlp_bias, a.qk_norm, a.norm_placement,
                         a.fused_gate_up, a.tie_word_embeddings, a.layer_window),
              std::tuple(b.qkv_bias, b.output_bias, b.mlp_bias, b.qk_norm, b.norm_placement,
                         b.fused_gate_up, b.tie_word_embeddings, b.layer_window));
    EXPECT_EQ(std::tuple(a.gate, a.attention_scale, a.attention_softcap, a.logit_softcap,
                         a.embedding_scale, a.residual_scale, a.logit_scale, a.layer_rope),
              std::tuple(b.gate, b.attention_scale, b.attention_softcap, b.logit_softcap,
                         b.embedding_scale, b.residual_scale, b.logit_scale, b.layer_rope));
    EXPECT_EQ(std::tuple(a.ropes[0].theta, a.ropes[0].rotary_dim, a.ropes[0].interleaved,
                         a.ropes[0].scaling, a.ropes[0].factor, a.ropes[0].original_max_position),
              std::tuple(b.ropes[0].theta, b.ropes[0].rotary_dim, b.ropes[0].interleaved,
                         b.ropes[0].scaling, b.ropes[0].factor, b.ropes[0].original_max_position));
    EXPECT_EQ(a.naming, TensorNaming::kGguf);
    EXPECT_EQ(a.paired_qk_rows,
              std::string(name).starts_with("llama") || std::string(name).starts_with("mistral") ||
                  name == std::string("granite") || name == std::string("smollm3"));
  }
}

TEST(GgufConfig, RopeFreqsAreDivisors) {
  EXPECT_TRUE(config_of("llama2").ropes[0].divisors.empty());
  const std::vector<float> divisors = config_of("llama3").ropes[0].divisors;
  ASSERT_EQ(divisors.size(), 8u);
  EXPECT_EQ(divisors.front(), 1);
  EXPECT_EQ(divisors.back(), 8);
  for (const float bad : {0.0f, -1.0f, std::nanf("")})
    EXPECT_THAT(why_refused("llama2",
                            [&](GgufWriter& file) {
                              file.tensor(
                                  "rope_freqs.weight", {8}, 0,
                                  test::stored_as(WeightFormat::kF32, std::vector<float>(8, bad)));
                            }),
                HasSubstr("tensor \"rope_freqs.weight\": expected numbers from"));
  EXPECT_THAT(
      why_refused("llama2",
                  [&](GgufWriter& file) { file.tensor("rope_freqs.weight", {1}, 0, "1234"); }),
      HasSubstr("expected shape [8], found [1]"));
}

TEST(GgufConfig, YarnsFactorGetsItsLogarithmicPart) {
  const DecoderConfig config = config_of("llama_yarn", [](GgufWriter& file) {
    file.f32("llama.rope.scaling.attn_factor", 0.5f).f32("llama.rope.scaling.yarn_beta_fast", 16);
  });
  EXPECT_NEAR(config.ropes[0].attention_factor.value(), 0.5 * (1 + 0.1 * std::log(4.0)), 1e-6);
  EXPECT_EQ(config.ropes[0].beta_fast, 16);
}

TEST(GgufConfig, BlocksAreLoadedAsFloat16AndTheRestAsItIs) {
  const TinyGguf tiny("llama2");
  EXPECT_EQ(config_of(tiny, WeightFormat::kF32).dtype, DType::kF32);
  EXPECT_EQ(config_of(tiny, WeightFormat::kBF16).dtype, DType::kBF16);
  const DecoderConfig quantised = config_of(tiny, WeightFormat::kQ8_0);
  EXPECT_EQ(quantised.dtype, DType::kF16);
  EXPECT_EQ(quantised.other_formats.at("blk.0.attn_q.weight"), WeightFormat::kQ8_0);
  EXPECT_FALSE(quantised.other_formats.contains("blk.0.ffn_down.weight")) << "80 columns: float16";
  // 80 columns are no multiple of 32: such matrices stay plain in a file of blocks.
  const TempDir dir;
  GgufWriter file = tiny.metadata();
  tiny.add_tensors(file, WeightFormat::kBF16);
  write_file(dir / "a.gguf", file.bytes());
  const GgufCheckpoint checkpoint(dir / "a.gguf");
  EXPECT_EQ(gguf_decoder_config(checkpoint).other_formats.size(), 0u);
}

// What the plan says is what loading takes, also where types differ.
TEST(GgufConfig, ThePlanKnowsTheTypeOfEachMatrix) {
  DecoderConfig config = config_of("llama2");
  const NaiveBackend backend;
  const std::unique_ptr<Backend> cpu = make_cpu_backend({.num_threads = 1});
  const size_t floats = weight_bytes(*cpu, config, {});
  config.other_formats["blk.0.attn_q.weight"] = WeightFormat::kF16;
  EXPECT_LT(weight_bytes(*cpu, config, {}), floats);
  EXPECT_EQ(weight_bytes(*cpu, config, DType::kF32), floats) << "asked for";
  EXPECT_EQ(weight_formats(*cpu, config, {}), "float32, float16");
}

// Blocks stay blocks where the device multiplies with them.
TEST(GgufConfig, ThePlanKnowsWhichBlocksStay) {
  const std::unique_ptr<Backend> integers = make_cpu_backend({.num_threads = 1}),
                                 floats = make_cpu_backend(
                                     {.num_threads = 1, .activations = CpuActivations::kFloat});
  const DecoderConfig config = config_of(TinyGguf("llama2"), WeightFormat::kQ8_0);
  const size_t halves = weight_bytes(*floats, config, {});
  EXPECT_EQ(halves, weight_bytes(*integers, config, DType::kF16)) << "asked for";
  EXPECT_EQ(weight_formats(*integers, config, {}), "Q8_0, float16") << "of 80 columns";
  EXPECT_EQ(weight_formats(*floats, config, {}), "float16 (from Q8_0)");
  const auto q_bytes = [](const Backend& backend, WeightFormat format) {
    const WeightShape q[] = {{format, 64, 64}};
    return backend.linear_bytes(q, false);
  };
  EXPECT_EQ(q_bytes(*integers, WeightFormat::kQ8_0), 64u * 64 * 17 / 16) << "8.5 bits a weight";
  EXPECT_LT(weight_bytes(*integers, config, {}), halves * 2 / 3);
}

TEST(GgufConfig, WhatIsMissingOrOutOfBoundsIsNamed) {
  GgufWriter none;
  const TempDir dir;
  const auto why = [&](const GgufWriter& file) {
    write_file(dir / "a.gguf", file.bytes());
    return refusal([&] { gguf_decoder_config(GgufCheckpoint(dir / "a.gguf")); });
  };
  EXPECT_THAT(why(none), AllOf(HasSubstr("a.gguf: key \"general.architecture\""),
                               HasSubstr("llama, qwen2, qwen3, glm4, chatglm, gemma2, gemma3, "
                                         "phi3, olmo2, granite, smollm3, found nothing")));
  EXPECT_THAT(why(GgufWriter().text("general.architecture", "mamba")),
              HasSubstr("found \"mamba\""));
  const auto with = [](const char* skipped, uint32_t value) {
    GgufWriter file;
    file.text("general.architecture", "llama");
    for (const auto& [key, good] :
         std::vector<std::pair<const char*, uint32_t>>{{"block_count", 1},
                                                       {"embedding_length", 64},
                                                       {"feed_forward_length", 80},
                                                       {"attention.head_count", 4},
                                                       {"attention.head_count_kv", 2},
                                                       {"context_length", 128}})
      if (key != std::string(skipped))
        file.u32(std::string("llama.") + key, good);
      else if (value != UINT32_MAX)
        file.u32(std::string("llama.") + key, value);
    file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    file.tensor("token_embd.weight", {2, 64}, 0, std::string(512, '\0'));
    return file;
  };
  for (const char* key : {"block_count", "embedding_length", "feed_forward_length",
                          "attention.head_count", "context_length"})
    for (const uint32_t value : {UINT32_MAX, 0u, 0x7fffffffu})
      EXPECT_THAT(why(with(key, value)), HasSubstr("\"llama.")) << key << " " << value;
  EXPECT_THAT(why(with("attention.head_count_kv", 3)),
              HasSubstr("\"llama.attention.head_count_kv\": expected a divisor of"));
  EXPECT_THAT(why(with("attention.head_count", 5)),
              HasSubstr("\"llama.embedding_length\": expected a multiple of 5 heads, found 64"));
  EXPECT_THAT(why(with("block_count", 5000)),
              HasSubstr("\"llama.block_count\": expected an integer from 1 to 4096, found 5000"));
}

// What files of Gemma do not state: windows of all but every n-th layer, and the scale of q.k.
TEST(GgufConfig, GemmasFilesLeaveMuchOut) {
  const auto with = [](const char* family, uint32_t layers, uint32_t pattern) {
    const std::string name = std::string(family) + ".";
    GgufWriter file;
    file.text("general.architecture", family).u32(name + "block_count", layers);
    file.u32(name + "embedding_length", 96).u32(name + "feed_forward_length", 80);
    file.u32(name + "attention.head_count", 4).u32(name + "attention.key_length", 32);
    file.u32(name + "context_length", 128).f32(name + "attention.layer_norm_rms_epsilon", 1e-6f);
    file.u32(name + "attention.sliding_window", 16);
    if (pattern > 0) file.u32(name + "attention.sliding_window_pattern", pattern);
    file.tensor("token_embd.weight", {2, 96}, 0, std::string(768, '\0'));
    const TempDir dir;
    write_file(dir / "a.gguf", file.bytes());
    return gguf_decoder_config(GgufCheckpoint(dir / "a.gguf"));
  };
  const DecoderConfig two = with("gemma2", 4, 0), three = with("gemma3", 7, 0),
                      other = with("gemma3", 4, 3);
  EXPECT_EQ(two.layer_window, (std::vector<int>{16, 0, 16, 0}));
  EXPECT_EQ(std::tuple(two.attention_softcap, two.logit_softcap, two.num_kv_heads),
            std::tuple(50.0f, 30.0f, 4));
  EXPECT_EQ(three.layer_window, (std::vector<int>{16, 16, 16, 16, 16, 0, 16}));
  EXPECT_EQ(three.layer_rope, (std::vector<int>{1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(std::tuple(three.ropes[0].theta, three.ropes[1].theta), std::tuple(1e6, 1e4));
  EXPECT_EQ(other.layer_window, (std::vector<int>{16, 16, 0, 16}));
  for (const DecoderConfig& config : {two, three}) {
    EXPECT_EQ(config.attention_scale, static_cast<float>(1 / std::sqrt(32.0)));
    EXPECT_EQ(config.norm_offset, 0);
    EXPECT_EQ(config.embedding_scale, std::sqrt(96.0f));
  }
  EXPECT_EQ(with("gemma2", 46, 0).attention_scale, static_cast<float>(1 / std::sqrt(24.0)));
  EXPECT_EQ(with("gemma3", 62, 0).attention_scale, static_cast<float>(1 / std::sqrt(24.0)));
}

TEST(GgufConfig, FeaturesThatWouldBeMissedAreRefused) {
  using File = GgufWriter&;
  EXPECT_THAT(why_refused("olmo2", [](File f) { f.u32("olmo2.attention.sliding_window", 64); }),
              HasSubstr("\"olmo2.attention.sliding_window\": expected an integer from 0 to 0"));
  EXPECT_THAT(why_refused("gemma2", [](File f) { f.f32("gemma2.residual_scale", 0.5f); }),
              HasSubstr("gemma2.residual_scale"));
  EXPECT_THAT(why_refused("phi3", [](File f) { f.text("phi3.rope.scaling.type", "longrope"); }),
              HasSubstr("short_factor"));
  EXPECT_THAT(why_refused("llama2", [](File f) { f.u32("llama.expert_count", 8); }),
              HasSubstr("\"llama.expert_count\": expected an integer from 0 to 0, found 8"));
  EXPECT_THAT(why_refused("llama2", [](File f) { f.f32("llama.logit_scale", 0.5f); }),
              HasSubstr("llama.logit_scale"));
  EXPECT_THAT(why_refused("llama2", [](File f) { f.text("llama.rope.scaling.type", "longrope"); }),
              HasSubstr("expected none, linear or yarn, found \"longrope\""));
  EXPECT_THAT(why_refused("glm4",
                          [](File f) {
                            f.numbers<int32_t>("glm4.rope.dimension_sections", GgufValueType::kI32,
                                               {8, 12, 12, 0});
                          }),
              HasSubstr("dimension_sections"));
}

}  // namespace
}  // namespace ember
