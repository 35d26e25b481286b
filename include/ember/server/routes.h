// SPDX-License-Identifier: Apache-2.0
// The endpoints. docs: OpenAI's API; /tokenize, /detokenize and render as vLLM has them.
#pragma once

#include "ember/server/api_context.h"
#include "ember/server/http_server.h"

namespace ember {

// For clients: generation, models, tokenizing, health. `context` must outlive the server's threads.
void add_routes(HttpServer& server, ApiContext& context);
// For operators: health and /metrics.
void add_admin_routes(HttpServer& server, ApiContext& context);

}  // namespace ember
