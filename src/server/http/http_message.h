// SPDX-License-Identifier: Apache-2.0
// What the transport itself says: answers that no handler makes, request ids, access-log lines.
#pragma once

#include <string>
#include <string_view>

#include "ember/base/clock.h"
#include "ember/base/result.h"
#include "http/framing.h"

namespace ember {

// A whole HTTP/1.1 answer with a JSON error body that ends the connection. `extra_headers`: whole
// lines with CRLF.
std::string error_answer(int status, const Error& error, const std::string& request_id,
                         const std::string& extra_headers = {});
std::string framing_error_answer(const FramingError& error, const std::string& request_id);

// The client's if it has 1 to 128 characters of [A-Za-z0-9._-], else "req-" and 16 hexadecimal
// digits, unique.
std::string request_id_for(const FramedRequest& request);

// At most 256 bytes of `text`, everything but visible ASCII as \xNN: safe on a terminal and on one
// line.
std::string escape_for_log(std::string_view text);
// "METHOD target id", ready for log_access.
std::string access_line(const FramedRequest& request, const std::string& request_id);
void log_access(const std::string& line, int status, size_t num_bytes, Duration taken);

}  // namespace ember
