// SPDX-License-Identifier: Apache-2.0
// What operators ask: who is inside, why a request is slow; and what they order: abort, drain,
// reload.
#pragma once

#include "ember/base/result.h"
#include "ember/server/api_context.h"
#include "ember/server/json_reader.h"

namespace ember {

// The requests inside, oldest first, with their state: queued, prefill, decode. kUnavailable
// ("engine_stalled") when a step hangs.
Result<Json> list_requests(ApiContext& context);
// What held a request up; `id`: its X-Request-Id or the id in its answer. Ended ones are remembered
// for a while. kNotFound
// ("request_not_found").
Result<Json> explain_request(ApiContext& context, const std::string& id);
// Ends every request of that id with an error to its client; their blocks are free within one step.
// kNotFound.
Result<Json> abort_request(ApiContext& context, const std::string& id);
// From now on new work is refused with 503 and readiness is gone; what is inside goes on, and the
// process waits to be stopped. kUnavailable unless the server is ready or draining already.
Result<Json> drain(ApiContext& context);
// Reads the key file again and sets the log level ({"log_level": "debug"}), if given. A bad file
// changes nothing.
Result<Json> reload(ApiContext& context, const Json& body);

}  // namespace ember
