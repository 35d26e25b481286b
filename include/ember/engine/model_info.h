// SPDX-License-Identifier: Apache-2.0
// What the server must know about the model that is served.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ember {

struct ModelInfo {
  std::vector<std::string> names;  // served names, the first is the one answers carry
  int32_t max_model_len = 0;
  int32_t vocab_size = 0;  // of the model: ids at or above are refused
  std::vector<int32_t> eos_token_ids;
  uint64_t seed = 0;  // --seed: for requests without a seed, combined with their id
  // Defaults from generation_config.json; unset ones are the API's.
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
  std::vector<std::string> stop_strings;  // which end an answer as the tokens above do
};

}  // namespace ember
