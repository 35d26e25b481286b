// SPDX-License-Identifier: Apache-2.0
// What fits into a model's context.
#pragma once

#include <cstdint>
#include <string>

#include "api/params.h"
#include "ember/base/result.h"
#include "ember/server/served_model.h"

namespace ember {

// Text that cannot fit whatever its tokens are is not tokenized at all: that would take seconds.
// param: the field that holds it.
Result<void> check_length(const ServedModel& model, size_t bytes, const std::string& param);

// How many tokens may come after a prompt. fallback: where the request does not say; all that fit
// at most. param: the field that holds the prompt.
Result<int32_t> output_tokens(const ServedModel& model, const GenerationParams& params,
                              size_t prompt_tokens, int32_t fallback, const std::string& param);

}  // namespace ember
