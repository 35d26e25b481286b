// SPDX-License-Identifier: Apache-2.0
// From a request's body to sequences in the engine and an answer in the hub.
#pragma once

#include "ember/base/result.h"
#include "ember/server/api_context.h"
#include "ember/server/exchange.h"
#include "ember/server/json_reader.h"

namespace ember {

// All take the connection over when they succeed; an error is left to the caller to answer, and
// nothing was queued.
Result<void> start_chat(ApiContext& context, Exchange& exchange);
Result<void> start_completion(ApiContext& context, Exchange& exchange);
Result<void> start_messages(ApiContext& context, Exchange& exchange);   // Anthropic's
Result<void> start_responses(ApiContext& context, Exchange& exchange);  // OpenAI's

// How many tokens the prompt of Anthropic's Messages has.
Result<Json> count_message_tokens(ApiContext& context, const Json& body);

}  // namespace ember
