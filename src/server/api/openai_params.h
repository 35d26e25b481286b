// SPDX-License-Identifier: Apache-2.0
// The fields that OpenAI's chat completions and completions have in common, with vLLM's.
#pragma once

#include "api/params.h"

namespace ember {

constexpr int kMaxLogprobs = 20;

// All but the prompt and "logprobs". Fields that exist elsewhere and would change the answer are
// refused ("unsupported_parameter").
void read_openai_params(FieldReader& fields, const ModelInfo& model, const ParamLimits& limits,
                        GenerationParams& params);

}  // namespace ember
