// SPDX-License-Identifier: Apache-2.0
// Errors as the APIs say them.
#pragma once

#include <string>

#include "ember/base/result.h"
#include "ember/server/exchange.h"
#include "ember/server/generation_services.h"

namespace ember {

// The body of an error as the API at `path` has it: Anthropic's below /v1/messages, else OpenAI's.
std::string error_body_for(const std::string& path, const Error& error);
// Puts an error into the response, with Retry-After where it helps to come back.
void answer_error(const GenerationServices& services, const Error& error, Exchange& exchange);

}  // namespace ember
