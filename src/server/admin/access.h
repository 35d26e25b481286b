// SPDX-License-Identifier: Apache-2.0
// Who may ask, and when.
#pragma once

#include <string>

#include "ember/base/result.h"
#include "ember/server/exchange.h"
#include "ember/server/key_ring.h"
#include "ember/server/server_status.h"

namespace ember {

// Liveness, readiness and health: for everybody, at any time.
bool is_health(const std::string& path);
// One of the paths of Anthropic's API.
bool is_anthropic_path(const std::string& path);

// Who asks. Liveness and readiness are for everybody, everything else for those with a key (if
// there are any): kUnauthorized ("invalid_api_key"). A key comes as "Authorization: Bearer KEY",
// for Anthropic's paths also as "x-api-key: KEY", and for the page at / as the password that a
// browser asks for: that one opens nothing else, since browsers send it along with other sites'
// requests.
Result<Principal> authenticate(const KeyRing& keys, const HttpRequest& request);

// kUnavailable unless the server is ready: codes "loading", "draining", "engine_failed".
Result<void> check_ready(const ServerStatus& server);

// A page of another site may not give orders through the browser of somebody on this machine:
// kForbidden ("cross_origin") for requests that carry an Origin.
Result<void> check_origin(const HttpRequest& request);

}  // namespace ember
