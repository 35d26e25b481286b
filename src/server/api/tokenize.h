// SPDX-License-Identifier: Apache-2.0
// Endpoints that show what a model is given, and generate nothing.
#pragma once

#include "ember/base/result.h"
#include "ember/server/json_reader.h"
#include "ember/server/param_limits.h"
#include "ember/server/served_model.h"

namespace ember {

// All of them answer the body of a request with the body of an answer. Errors name the fields of
// the request.

// "prompt" or chat completions' "messages" to token ids, and token ids to text.
Result<Json> answer_tokenize(const ServedModel& model, const ParamLimits& limits, const Json& body);
Result<Json> answer_detokenize(const ServedModel& model, const ParamLimits& limits,
                               const Json& body);
// The prompt of a request of chat completions, as text and as ids.
Result<Json> answer_render(const ServedModel& model, const ParamLimits& limits, const Json& body);
// How many tokens the prompt of Anthropic's Messages has.
Result<Json> answer_count_tokens(const ServedModel& model, const ParamLimits& limits,
                                 const Json& body);

}  // namespace ember
