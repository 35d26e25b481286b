// SPDX-License-Identifier: Apache-2.0
// From a request's body to sequences in the engine and an answer in the hub.
#pragma once

#include "api/dialect.h"
#include "ember/base/result.h"
#include "ember/server/exchange.h"
#include "ember/server/generation_services.h"
#include "ember/server/json_reader.h"
#include "ember/server/model_registry.h"

namespace ember {

// Takes the connection over when it succeeds; an error is left to the caller to answer, and nothing
// was queued.
Result<void> start_generation(const Dialect& dialect, GenerationServices& services,
                              Exchange& exchange);

// The model that a body asks for by its field "model", see ModelRegistry::find(). A field that is
// not a string is the parsers' to refuse: it names none here.
Result<ModelRef> find_model(const ModelRegistry& models, const Principal& principal,
                            const Json& body);

}  // namespace ember
