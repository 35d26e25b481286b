// SPDX-License-Identifier: Apache-2.0
// What state the server is in, and how busy it is.
#pragma once

#include "ember/server/api_context.h"
#include "ember/server/json_reader.h"

namespace ember {

// The model is there, nobody is shutting down, and the engine has shown a sign of life lately.
bool is_ready(const ApiContext& context);
// loading, ready, stalled (a step hangs), draining or failed.
const char* state_name(const ApiContext& context);
// For people and for the page; Prometheus has its own.
Json status_json(const ApiContext& context);

}  // namespace ember
