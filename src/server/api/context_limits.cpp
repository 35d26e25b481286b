// SPDX-License-Identifier: Apache-2.0
#include "api/context_limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember {

Result<void> check_length(const ServedModel& model, size_t bytes, const std::string& param) {
  constexpr size_t kSlack = 4;  // normalizers may shorten a text, but not by much
  const size_t max_bytes =
      kSlack * static_cast<size_t>(model.info.max_model_len) * model.tokenizer->max_token_bytes();
  if (bytes <= max_bytes) return {};
  return invalid(param,
                 fmt::format("{} has {} bytes, which cannot fit into the context of {} tokens.",
                             param, bytes, model.info.max_model_len),
                 "context_length_exceeded");
}

Result<int32_t> output_tokens(const ServedModel& model, const GenerationParams& params,
                              size_t prompt_tokens, int32_t fallback, const std::string& param) {
  const int32_t context = model.info.max_model_len;
  const auto room = static_cast<int64_t>(context) - static_cast<int64_t>(prompt_tokens);
  if (prompt_tokens == 0) return invalid(param, fmt::format("{} holds no tokens.", param));
  if (room < 1)
    return invalid(
        param,
        fmt::format(
            "The prompt has {} tokens; the context of {} must hold them and at least one more.",
            prompt_tokens, context),
        "context_length_exceeded");
  const int64_t wanted =
      params.max_tokens.value_or(static_cast<int32_t>(std::min<int64_t>(room, fallback)));
  if (wanted > room)
    return invalid(params.max_tokens_field,
                   fmt::format("{} prompt tokens and {} {} exceed the context of {}.",
                               prompt_tokens, params.max_tokens_field, wanted, context),
                   "context_length_exceeded");
  if (params.min_tokens > wanted)
    return invalid("min_tokens",
                   fmt::format("min_tokens must not be above the {} tokens that fit.", wanted));
  return static_cast<int32_t>(wanted);
}

}  // namespace ember
