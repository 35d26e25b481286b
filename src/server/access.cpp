#include "server/access.h"

#include <algorithm>
#include <cmath>

#include "ember/server/http_server.h"

namespace ember {

namespace {

bool is_health(const std::string& path) { return path == "/livez" || path == "/readyz" || path == "/health"; }

// Takes the same time wherever the two differ.
bool equal(const std::string& a, const std::string& b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(i < b.size() ? b[i] : '\0');
  return different == 0;
}

}  // namespace

Result<void> check_key(const ApiContext& context, const httplib::Request& request) {
  if (context.api_keys.empty() || is_health(request.path)) return {};
  const std::string header = request.get_header_value("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  bool known = false;
  if (request.get_header_value_count("Authorization") == 1 && header.starts_with(kScheme))
    for (const std::string& key : context.api_keys) known |= equal(header.substr(kScheme.size()), key);
  if (known) return {};
  return invalid("", "The API key is missing or wrong: send \"Authorization: Bearer KEY\".", "invalid_api_key");
}

Result<void> check_ready(const ApiContext& context) {
  switch (context.state.load(std::memory_order_acquire)) {
    case ServerState::kReady: return {};
    case ServerState::kLoading: return Error{ErrorKind::kUnavailable, "The model is being loaded.", "", "loading"};
    case ServerState::kDraining: return Error{ErrorKind::kUnavailable, "The server is shutting down.", "", "draining"};
    case ServerState::kFailed: return Error{ErrorKind::kUnavailable, "The engine failed.", "", "engine_failed"};
  }
  return {};
}

int retry_after(int64_t queued_tokens, double tokens_per_second, uint64_t dice) {
  const double wait = tokens_per_second > 0 ? static_cast<double>(queued_tokens) / tokens_per_second : 1;
  const double jitter = 0.8 + 0.4 * static_cast<double>(dice % 1024) / 1023;
  return static_cast<int>(std::lround(std::clamp(std::ceil(wait), 1.0, 30.0) * jitter + 0.5 - 1e-9));
}

void answer_error(const ApiContext& context, const Error& error, httplib::Response& response) {
  response.status = http_status(error);
  response.set_content(error_body(error), "application/json");
  if (response.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  if (error.code == "draining") response.set_header("Connection", "close");
  if (response.status != 429 && response.status != 503) return;
  const bool ready = context.state.load(std::memory_order_acquire) == ServerState::kReady;
  const int64_t queued = ready ? context.model.admission->tokens() : 0;
  const uint64_t dice = context.next_request.load(std::memory_order_relaxed) * 0x9e3779b97f4a7c15u >> 40;
  response.set_header("Retry-After", std::to_string(std::clamp(retry_after(queued, context.tokens_per_second, dice), 1, 30)));
}

void answer_json(const std::string& body, httplib::Response& response) { response.set_content(body, "application/json"); }

}  // namespace ember
