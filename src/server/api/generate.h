// SPDX-License-Identifier: Apache-2.0
// From a request's body to sequences in the engine and an answer in the hub.
#pragma once

#include "ember/base/result.h"
#include "ember/server/exchange.h"
#include "ember/server/generation_services.h"
#include "ember/server/json_reader.h"
#include "ember/server/model_registry.h"

namespace ember {

// All take the connection over when they succeed; an error is left to the caller to answer, and
// nothing was queued.
Result<void> start_chat(GenerationServices& services, Exchange& exchange);
Result<void> start_completion(GenerationServices& services, Exchange& exchange);
Result<void> start_messages(GenerationServices& services, Exchange& exchange);   // Anthropic's
Result<void> start_responses(GenerationServices& services, Exchange& exchange);  // OpenAI's

// How many tokens the prompt of Anthropic's Messages has.
Result<Json> count_message_tokens(const ServedModel& model, const ParamLimits& limits,
                                  const Json& body);
// The model that a body asks for by its field "model", see ModelRegistry::find(). A field that is
// not a string is the parsers' to refuse: it names none here.
Result<ModelRef> find_model(const ModelRegistry& models, const Principal& principal,
                            const Json& body);

}  // namespace ember
