// SPDX-License-Identifier: Apache-2.0
// A request of OpenAI's completions, with vLLM's fields.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "api/params.h"
#include "ember/base/result.h"

namespace ember {

struct CompletionRequest {
  using Prompt = std::variant<std::string, std::vector<int32_t>>;
  GenerationParams params;
  std::vector<Prompt> prompts;  // at least one, none of them an empty list
  bool echo = false;
  bool add_special_tokens = true;
};

Result<CompletionRequest> parse_completion(const Json& body, const ModelInfo& model,
                                           const ParamLimits& limits);

}  // namespace ember
