// SPDX-License-Identifier: Apache-2.0
// Errors as HTTP says them.
#pragma once

#include <string>

#include "ember/base/result.h"

namespace ember {

// The status of an error's kind.
int http_status(ErrorKind kind);

// OpenAI's body of an error: {"error":{"message","type","param","code"}}. Bytes that are no UTF-8
// are replaced.
std::string error_body(const Error& error);
// The same under a status that no kind has.
std::string error_body(const Error& error, int status);

}  // namespace ember
