// SPDX-License-Identifier: Apache-2.0
// What operators ask: who is inside, why a request is slow; and what they order: abort, drain,
// reload.
#pragma once

#include <functional>
#include <string>

#include "ember/base/result.h"
#include "ember/server/hub.h"
#include "ember/server/json_reader.h"
#include "ember/server/key_ring.h"
#include "ember/server/model_registry.h"
#include "ember/server/request_log.h"
#include "ember/server/server_status.h"

namespace ember {

// The requests inside, oldest first, with their state: queued, prefill, decode. kUnavailable
// ("engine_stalled") when a step hangs.
Result<Json> list_requests(const ModelRegistry& models, const RequestLog& requests);
// What held a request up; `id`: its X-Request-Id or the id in its answer. Ended ones are remembered
// for a while. kNotFound
// ("request_not_found").
Result<Json> explain_request(const ModelRegistry& models, const RequestLog& requests,
                             const std::string& id);
// Ends every request of that id with an error to its client; their blocks are free within one step.
// kNotFound.
Result<Json> abort_request(ResponseHub& hub, const RequestLog& requests, const std::string& id);
// From now on new work is refused with 503 and readiness is gone; what is inside goes on, and the
// process waits to be stopped. kUnavailable unless the server is ready or draining already.
Result<Json> drain(ServerStatus& status, const ResponseHub& hub);
// Reads the key file again (reload_keys) and sets the log level ({"log_level": "debug"}), if given.
// A bad file changes nothing.
Result<Json> reload(const KeyRing& keys, const std::function<Result<void>()>& reload_keys,
                    const Json& body);

}  // namespace ember
