// SPDX-License-Identifier: Apache-2.0
// What the two generating endpoints are asked for, checked. docs: OpenAI's API, and vLLM's fields
// beyond it.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ember/base/sampling.h"
#include "ember/engine/model_info.h"
#include "ember/server/json_reader.h"
#include "ember/server/output_format.h"
#include "ember/server/tools.h"
#include "ember/text/chat_template.h"

namespace ember {

struct ParamLimits {
  int max_n = 8;
  double max_timeout = 600;  // seconds
};

struct GenerationParams {
  std::string model;  // empty: not given
  bool stream = false, include_usage = false, continuous_usage_stats = false;
  int n = 1;
  SamplingParams sampling;  // without the seed
  std::optional<int64_t> seed;
  std::optional<int32_t> max_tokens;            // not given: the endpoint's default
  std::string max_tokens_field = "max_tokens";  // which of its names it came by
  int32_t min_tokens = 0;
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  std::vector<std::string> bad_words;
  bool include_stop_str_in_output = false;
  bool ignore_eos = false;
  std::optional<OutputFormat> format;  // not given: free text
  int32_t num_logprobs = -1;           // -1: none
  std::optional<int32_t> prompt_logprobs;
  bool skip_special_tokens = true;
  bool return_token_ids = false;
  int32_t priority = 0;
  std::string cache_salt;
  double timeout = 0;  // seconds; 0: the server's
  int num_unknown_fields = 0;
};

struct ChatParams : GenerationParams {
  ChatInput input;
  ToolParams tools;
};

struct CompletionParams : GenerationParams {
  using Prompt = std::variant<std::string, std::vector<int32_t>>;
  std::vector<Prompt> prompts;  // at least one, none of them an empty list
  bool echo = false;
  bool add_special_tokens = true;
};

// Errors name the field and the limit. Fields that exist elsewhere and would change the answer are
// refused
// ("unsupported_parameter"), others ignored and counted.
Result<ChatParams> parse_chat(const Json& body, const ModelInfo& model, const ParamLimits& limits);
Result<CompletionParams> parse_completion(const Json& body, const ModelInfo& model,
                                          const ParamLimits& limits);

}  // namespace ember
