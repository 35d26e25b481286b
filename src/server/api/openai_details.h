// SPDX-License-Identifier: Apache-2.0
// What OpenAI's chat completions and completions can be asked to tell besides the text.
#pragma once

#include <cstdint>
#include <optional>

namespace ember {

struct OpenAiDetails {
  bool include_usage = false, continuous_usage_stats = false;  // of a stream
  bool return_token_ids = false;
  int32_t num_logprobs = -1;                    // -1: none
  std::optional<int32_t> prompt_logprobs = {};  // whole answers only
};

}  // namespace ember
