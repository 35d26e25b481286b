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

// The prompt that a chat request would generate from.
Result<ChatPrompt> render_chat(const ApiContext& context, const ChatInput& input);
// How many tokens the prompt of Anthropic's Messages has.
Result<Json> count_message_tokens(ApiContext& context, const Json& body);
// kNotFound ("model_not_found") unless the name is empty or one of those served.
Result<void> check_model(const ApiContext& context, const std::string& name);

}  // namespace ember
