// SPDX-License-Identifier: Apache-2.0
#include "admin/access.h"

#include <algorithm>
#include <cmath>

#include "ember/base/splitmix64.h"
#include "ember/server/http_server.h"

namespace ember {

namespace {

// "" unless the header is there exactly once and begins with `scheme`.
std::string credentials(const httplib::Request& request, const char* header,
                        std::string_view scheme) {
  const std::string value = request.get_header_value(header);
  return request.get_header_value_count(header) == 1 && value.starts_with(scheme)
             ? value.substr(scheme.size())
             : std::string();
}

bool is_anthropic(const std::string& path) {
  return path == "/v1/messages" || path.starts_with("/v1/messages/");
}

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

// "" for what is not base64.
std::string base64_decoded(const std::string& text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int num_bits = 0;
  for (const char c : text.substr(0, text.find_last_not_of('=') + 1)) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return {};
    bits = bits << 6 | static_cast<uint32_t>(digit);
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes += static_cast<char>(bits >> num_bits & 0xff);
  }
  return bytes;
}

std::string password(const httplib::Request& request) {
  const std::string both = base64_decoded(credentials(request, "Authorization", "Basic "));
  const size_t colon = both.find(':');
  return colon == std::string::npos ? std::string() : both.substr(colon + 1);
}

}  // namespace

bool is_health(const std::string& path) {
  return path == "/livez" || path == "/readyz" || path == "/health";
}

Result<void> check_key(const ApiContext& context, const httplib::Request& request) {
  if (context.keys.size() == 0 || is_health(request.path)) return {};
  if (context.keys.holds(credentials(request, "Authorization", "Bearer "))) return {};
  if (is_anthropic(request.path) && context.keys.holds(credentials(request, "x-api-key", "")))
    return {};
  if (request.path == "/" && context.keys.holds(password(request))) return {};
  return invalid("", "The API key is missing or wrong: send \"Authorization: Bearer KEY\".",
                 "invalid_api_key");
}

Result<void> check_ready(const ApiContext& context) {
  switch (context.state.load(std::memory_order_acquire)) {
    case ServerState::kReady:
      return {};
    case ServerState::kLoading:
      return Error{ErrorKind::kUnavailable, "The model is being loaded.", "", "loading"};
    case ServerState::kDraining:
      return Error{ErrorKind::kUnavailable, "The server is shutting down.", "", "draining"};
    case ServerState::kFailed:
      return Error{ErrorKind::kUnavailable, "The engine failed.", "", "engine_failed"};
  }
  return {};
}

int retry_after(int64_t queued_tokens, double tokens_per_second, uint64_t dice) {
  const double wait =
      tokens_per_second > 0 ? static_cast<double>(queued_tokens) / tokens_per_second : 1;
  const double jitter = 0.8 + 0.4 * static_cast<double>(dice % 1024) / 1023;
  return static_cast<int>(
      std::clamp(std::round(std::ceil(std::min(wait, 30.0)) * jitter), 1.0, 30.0));
}

std::string error_body_for(const std::string& path, const Error& error) {
  if (!is_anthropic(path)) return error_body(error);
  return Json{{"type", "error"},
              {"error", {{"type", anthropic_type(http_status(error))}, {"message", error.message}}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

void answer_error(const ApiContext& context, const httplib::Request& request, const Error& error,
                  httplib::Response& response) {
  response.status = http_status(error);
  response.set_content(error_body_for(request.path, error), "application/json");
  if (response.status == 401)
    response.set_header(
        "WWW-Authenticate",
        request.path == "/"
            ? "Basic realm=\"Ember: any name, and an API key as the password\", charset=\"UTF-8\""
            : "Bearer");
  if (error.code == "draining") response.set_header("Connection", "close");
  if (response.status != 429 && response.status != 503) return;
  response.set_header("Retry-After", std::to_string(retry_after_now(context)));
}

int retry_after_now(const ApiContext& context) {
  const bool loading = context.state.load(std::memory_order_acquire) == ServerState::kLoading;
  const int64_t queued = loading ? 0 : context.model.admission->tokens();
  const uint64_t dice =
      context.next_request.load(std::memory_order_relaxed) * kSplitMix64Step >> 40;
  return retry_after(queued, context.tokens_per_second, dice);
}

void answer_json(const std::string& body, httplib::Response& response) {
  response.set_content(body, "application/json");
}

}  // namespace ember
