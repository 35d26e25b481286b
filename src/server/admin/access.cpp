// SPDX-License-Identifier: Apache-2.0
#include "admin/access.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace ember {

namespace {

// "" unless the header is there exactly once and begins with `scheme`.
std::string credentials(const HttpRequest& request, const char* header, std::string_view scheme) {
  const std::vector<std::string_view> values = request.header_values(header);
  return values.size() == 1 && values[0].starts_with(scheme)
             ? std::string(values[0].substr(scheme.size()))
             : std::string();
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

std::string password(const HttpRequest& request) {
  const std::string both = base64_decoded(credentials(request, "Authorization", "Basic "));
  const size_t colon = both.find(':');
  return colon == std::string::npos ? std::string() : both.substr(colon + 1);
}

}  // namespace

bool is_anthropic_path(const std::string& path) {
  return path == "/v1/messages" || path.starts_with("/v1/messages/");
}

bool is_health(const std::string& path) {
  return path == "/livez" || path == "/readyz" || path == "/health";
}

Result<Principal> authenticate(const KeyRing& keys, const HttpRequest& request) {
  if (keys.size() == 0 || is_health(request.path)) return Principal{};
  auto found = keys.find(credentials(request, "Authorization", "Bearer "));
  if (!found && is_anthropic_path(request.path))
    found = keys.find(credentials(request, "x-api-key", ""));
  if (!found && request.path == "/") found = keys.find(password(request));
  if (found) return *found;
  return Error{ErrorKind::kUnauthorized,
               "The API key is missing or wrong: send \"Authorization: Bearer KEY\".", "",
               "invalid_api_key"};
}

Result<void> check_ready(const ServerStatus& server) {
  switch (server.state.load(std::memory_order_acquire)) {
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

Result<void> check_origin(const HttpRequest& request) {
  if (!request.header("Origin")) return {};
  return Error{ErrorKind::kForbidden, "Requests of web pages are not answered here.", "",
               "cross_origin"};
}

}  // namespace ember
