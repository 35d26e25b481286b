// SPDX-License-Identifier: Apache-2.0
// gguf_generation_defaults: sampling, and where an answer ends.
#include <gmock/gmock.h>

#include "ember/model/gguf_config.h"
#include "model/gguf_writer.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using test::GgufWriter;
using testing::ElementsAre;
using testing::HasSubstr;

GenerationDefaults defaults_of(const GgufWriter& writer) {
  const TempDir dir;
  write_file(dir / "a.gguf", writer.bytes());
  const GgufFile file(dir / "a.gguf");
  DecoderConfig config;
  config.vocab_size = 10;
  return gguf_generation_defaults(GgufMetadata(file), config);
}

GgufWriter with_tokens(const std::vector<std::string>& tokens, const std::vector<int32_t>& types) {
  GgufWriter file;
  return file.texts("tokenizer.ggml.tokens", tokens)
      .numbers("tokenizer.ggml.token_type", GgufValueType::kI32, types);
}

TEST(GgufGeneration, AFileThatSaysNothingHasNoDefaults) {
  const GenerationDefaults none = defaults_of({});
  EXPECT_THAT(none.eos_token_ids, ElementsAre());
  EXPECT_FALSE(none.temperature || none.top_p || none.top_k || none.min_p);
  EXPECT_FALSE(none.greedy);
}

TEST(GgufGeneration, RecommendedSamplingIsTheDefault) {
  GgufWriter file;
  file.f32("general.sampling.temp", 0.5f).f32("general.sampling.top_p", 0.75f);
  file.value("general.sampling.top_k", GgufValueType::kI32, test::raw<int32_t>(20));
  file.f32("general.sampling.min_p", 0.25f).f32("general.sampling.penalty_repeat", 1.5f);
  const GenerationDefaults defaults = defaults_of(file);
  EXPECT_EQ(defaults.temperature, 0.5f);
  EXPECT_EQ(defaults.top_p, 0.75f);
  EXPECT_EQ(defaults.top_k, 20);
  EXPECT_EQ(defaults.min_p, 0.25f);
  EXPECT_EQ(defaults.repetition_penalty, 1.5f);
  EXPECT_THAT(refusal([] { defaults_of(GgufWriter().f32("general.sampling.temp", -1)); }),
              HasSubstr("\"general.sampling.temp\": expected a number from 0 to 2, found -1"));
}

TEST(GgufGeneration, AnAnswerEndsWhereTheFileSays) {
  GgufWriter file;
  file.u32("tokenizer.ggml.eos_token_id", 7).u32("tokenizer.ggml.eot_token_id", 3);
  file.u32("tokenizer.ggml.eom_token_id", 7);
  EXPECT_THAT(defaults_of(file).eos_token_ids, ElementsAre(3, 7));
  EXPECT_THAT(refusal([] { defaults_of(GgufWriter().u32("tokenizer.ggml.eos_token_id", 10)); }),
              HasSubstr("eos_token_id\": expected an integer from 0 to 9, found 10"));
}

TEST(GgufGeneration, AndAtControlTokensThatAreKnownToEndOne) {
  EXPECT_THAT(defaults_of(with_tokens({"a", "<|im_end|>", "<|eot_id|>", "<|x|>", "<end_of_turn>"},
                                      {1, 3, 1, 3, 3}))
                  .eos_token_ids,
              ElementsAre(1, 4))
      << "text that looks like one is none";
  EXPECT_THAT(defaults_of(with_tokens({"<|end|>", "<|return|>"}, {3, 3})).eos_token_ids,
              ElementsAre(0, 1));
  EXPECT_THAT(
      defaults_of(with_tokens({"<|end|>", "<|return|>", "<|call|>"}, {3, 3, 3})).eos_token_ids,
      ElementsAre(1, 2))
      << "gpt-oss goes on behind <|end|>";
}

}  // namespace
}  // namespace ember
