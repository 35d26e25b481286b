// SPDX-License-Identifier: Apache-2.0
// gguf_generation_defaults: what a GGUF file says about sampling and about the tokens that end an
// answer.
#include <algorithm>
#include <set>

#include "ember/model/gguf_config.h"

namespace ember {

namespace {

// TokenizerParts::TokenType::kControl
constexpr int64_t kControl = 3;

// Control tokens that end an answer wherever they are in a vocabulary: a file names one or two of
// its own only.
constexpr std::string_view kEnds[] = {"<|eot_id|>",
                                      "<|im_end|>",
                                      "<|end|>",
                                      "<|return|>",
                                      "<|call|>",
                                      "<end_of_turn>",
                                      "<|endoftext|>",
                                      "<|eom_id|>",
                                      "<EOT>",
                                      "[EOT]",
                                      "<|end_of_text|>",
                                      "<eos>",
                                      "<\uFF5Cend\u2581of\u2581sentence\uFF5C>"};

std::set<int32_t> control_tokens_that_end(const GgufMetadata& metadata, int vocab_size) {
  const std::vector<std::string_view> tokens = metadata.texts("tokenizer.ggml.tokens");
  const std::vector<int64_t> types = metadata.integers("tokenizer.ggml.token_type");
  const size_t count =
      std::min({tokens.size(), types.size(), static_cast<size_t>(std::max(vocab_size, 0))});
  std::map<std::string_view, int32_t> found;
  for (size_t id = 0; id < count; ++id)
    if (types[id] == kControl && std::ranges::find(kEnds, tokens[id]) != std::end(kEnds))
      found.emplace(tokens[id], static_cast<int32_t>(id));
  // Of gpt-oss, where <|end|> ends a message and the answer goes on.
  if (found.contains("<|return|>") && found.contains("<|call|>")) found.erase("<|end|>");
  std::set<int32_t> ids;
  for (const auto& [token, id] : found) ids.insert(id);
  return ids;
}

}  // namespace

GenerationDefaults gguf_generation_defaults(const GgufMetadata& metadata,
                                            const DecoderConfig& config) {
  std::set<int32_t> ends = control_tokens_that_end(metadata, config.vocab_size);
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"})
    if (metadata.has(key))
      ends.insert(static_cast<int32_t>(metadata.integer(key, 0, config.vocab_size - 1)));
  GenerationDefaults defaults;
  defaults.eos_token_ids.assign(ends.begin(), ends.end());
  const auto number = [&](const char* key, double low, double high) -> std::optional<float> {
    if (!metadata.has(key)) return std::nullopt;
    return static_cast<float>(metadata.number(key, low, high));
  };
  defaults.temperature = number("general.sampling.temp", 0, 2);
  defaults.top_p = number("general.sampling.top_p", 1e-9, 1);
  defaults.min_p = number("general.sampling.min_p", 0, 1);
  defaults.repetition_penalty = number("general.sampling.penalty_repeat", 1e-6, 10);
  if (const char* key = "general.sampling.top_k"; metadata.has(key))
    defaults.top_k = static_cast<int32_t>(metadata.integer(key, -1, INT32_MAX));
  return defaults;
}

}  // namespace ember
