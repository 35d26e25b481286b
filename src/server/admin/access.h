// SPDX-License-Identifier: Apache-2.0
// Who may ask, and when.
#pragma once

#include <httplib.h>

#include <optional>
#include <string>

#include "ember/base/result.h"
#include "ember/server/api_context.h"

namespace ember {

// Liveness, readiness and health: for everybody, at any time.
bool is_health(const std::string& path);

// Liveness and readiness are for everybody, everything else for those with a key (if there are
// any): kInvalid with the code "invalid_api_key" (401). A key comes as "Authorization: Bearer KEY",
// for Anthropic's paths also as "x-api-key: KEY", and for the page at / as the password that a
// browser asks for: that one opens nothing else, since browsers send it along with other sites'
// requests.
Result<void> check_key(const ApiContext& context, const httplib::Request& request);

// kUnavailable unless the server is ready: codes "loading", "draining", "engine_failed".
Result<void> check_ready(const ApiContext& context);

// The body of an error as the API at `path` has it: Anthropic's below /v1/messages, else OpenAI's.
std::string error_body_for(const std::string& path, const Error& error);
// Puts an error into the answer, with Retry-After where it helps to come back.
void answer_error(const ApiContext& context, const httplib::Request& request, const Error& error,
                  httplib::Response& response);
void answer_json(const std::string& body, httplib::Response& response);

// Seconds until the work inside may be done: queued tokens by measured speed, 1 to 30, and up to a
// fifth more or less so that clients do not come back all at once.
int retry_after(int64_t queued_tokens, double tokens_per_second, uint64_t dice);
// The same for the server as it is.
int retry_after_now(const ApiContext& context);

}  // namespace ember
