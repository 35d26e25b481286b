// Errors as clients see them.
#pragma once

#include <string>

#include "ember/base/result.h"

namespace ember {

int http_status(const Error& error);
// The body every error has, whoever sends it: {"error":{"message","type","param","code"}}. Always valid UTF-8.
std::string error_body(const Error& error);
// For faults that have a status of their own.
std::string error_body(int status, const std::string& message, const std::string& code);
// "Not Found" of 404.
const char* reason_phrase(int status);
// A value from a client, for an error message or a log: at most max_bytes, without control characters, quoted.
std::string shown(const std::string& text, size_t max_bytes = 128);

}  // namespace ember
