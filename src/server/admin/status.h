// SPDX-License-Identifier: Apache-2.0
// What state the server is in, and how busy it is.
#pragma once

#include "ember/server/json_reader.h"
#include "ember/server/model_registry.h"
#include "ember/server/server_status.h"

namespace ember {

// The models are there, nobody is shutting down, and every engine has shown a sign of life lately.
bool is_ready(const ServerStatus& status, const ModelRegistry& models);
// loading, ready, stalled (a step hangs), draining or failed.
const char* state_name(const ServerStatus& status, const ModelRegistry& models);
// For people and for the page; Prometheus has its own.
Json status_json(const ServerStatus& status, const ModelRegistry& models);

}  // namespace ember
