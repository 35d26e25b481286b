// SPDX-License-Identifier: Apache-2.0
#include "http/http_error.h"

#include <nlohmann/json.hpp>

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

const char* type_of(int status) {
  return status == 429   ? "rate_limit_error"
         : status >= 500 ? "server_error"
                         : "invalid_request_error";
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

int http_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return 400;
    case ErrorKind::kUnauthorized:
      return 401;
    case ErrorKind::kForbidden:
      return 403;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kTooLarge:
      return 413;
    case ErrorKind::kBusy:
      return 429;
    case ErrorKind::kInternal:
      return 500;
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kTimeout:
      return 504;
  }
  return 500;
}

std::string error_body(const Error& error) { return error_body(error, http_status(error.kind)); }

std::string error_body(const Error& error, int status) {
  const Json body = {{"error",
                      {{"message", error.message},
                       {"type", type_of(status)},
                       {"param", text_or_null(error.param)},
                       {"code", text_or_null(error.code)}}}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ember
