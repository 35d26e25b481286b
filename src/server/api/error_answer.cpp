// SPDX-License-Identifier: Apache-2.0
#include "api/error_answer.h"

#include <nlohmann/json.hpp>

#include "admin/access.h"
#include "admin/retry_after.h"
#include "ember/server/json_reader.h"
#include "http/http_error.h"

namespace ember {

namespace {

const char* anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

std::string error_body_for(const std::string& path, const Error& error) {
  if (!is_anthropic_path(path)) return error_body(error);
  return Json{
      {"type", "error"},
      {"error", {{"type", anthropic_type(http_status(error.kind))}, {"message", error.message}}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

void answer_error(const GenerationServices& services, const Error& error, Exchange& exchange) {
  const std::string& path = exchange.request().path;
  HttpResponse& response = exchange.response();
  response.status = http_status(error.kind);
  response.set_content(error_body_for(path, error), "application/json");
  if (response.status == 401)
    response.headers["WWW-Authenticate"] =
        path == "/"
            ? "Basic realm=\"Ember: any name, and an API key as the password\", charset=\"UTF-8\""
            : "Bearer";
  if (error.code == "draining") response.close = true;
  if (response.status != 429 && response.status != 503) return;
  response.headers["Retry-After"] = std::to_string(retry_after_now(services));
}

}  // namespace ember
