// SPDX-License-Identifier: Apache-2.0
// The rules that a request's head must keep, and what it says about the bytes behind it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ember/server/exchange.h"

namespace ember {

struct FramingLimits {
  size_t max_uri_bytes = 8 * 1024;
  size_t max_header_line_bytes = 8 * 1024;  // with its CRLF
  int max_headers = 100;
  size_t max_body_bytes = 16 * 1024 * 1024;
};

struct FramingError {
  int status = 400;
  std::string message;
  std::string code = "invalid_http";
  std::string allow = {};  // value of the Allow header, for 405
};

struct BodyFraming {
  bool chunked = false;
  size_t length = 0;              // unless chunked
  bool expects_continue = false;  // the client waits for "100 Continue" before it sends the body
};

// Those of RFC 9110.
bool is_token(std::string_view text);
// Without spaces and tabs around it.
std::string_view trim(std::string_view text);

// Of a request line whose parts are known: 405 for a method that no route has, 400 for a target
// that is no absolute path.
std::optional<FramingError> check_method(const HttpRequest& request);
std::optional<FramingError> check_target(const HttpRequest& request);

// Of a complete head. Sets request.keep_alive and `body`, unless there is a fault.
std::optional<FramingError> check_head(HttpRequest& request, const FramingLimits& limits,
                                       BodyFraming& body);

}  // namespace ember
