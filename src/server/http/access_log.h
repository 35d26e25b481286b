// SPDX-License-Identifier: Apache-2.0
// Request ids, and the lines of the access log.
#pragma once

#include <string>
#include <string_view>

#include "ember/base/clock.h"
#include "ember/server/exchange.h"

namespace ember {

// The client's if it has 1 to 128 characters of [A-Za-z0-9._-], else "req-" and 16 hexadecimal
// digits, unique.
std::string request_id_for(const HttpRequest& request);

// At most 256 bytes of `text`, everything but visible ASCII as \xNN: safe on a terminal and on one
// line.
std::string escape_for_log(std::string_view text);
// "METHOD target id", ready for log_access.
std::string access_line(const HttpRequest& request, const std::string& request_id);
void log_access(const std::string& line, int status, size_t num_bytes, Duration taken);

}  // namespace ember
