// SPDX-License-Identifier: Apache-2.0
#include "api_client.h"

#include <fmt/format.h>

#include "ember/base/start_error.h"
#include "sse_reader.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

// The error message of a response that is no answer.
std::string reason_in(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  const auto error = json.is_object() ? json.find("error") : json.end();
  if (json.is_object() && error != json.end() && error->is_object())
    return error->value("message", body);
  return body.substr(0, 200);
}

// httplib throws something else for other schemes.
std::string checked(std::string url) {
  if (url.find("://") != std::string::npos && !url.starts_with("http://"))
    throw StartError(ExitCode::kUsage, fmt::format("--url {}: not an http:// address", url));
  return url;
}

}  // namespace

ApiClient::ApiClient(const std::string& url, const std::vector<std::string>& api_key)
    : url_(url), client_(checked(url)) {
  if (!client_.is_valid())
    throw StartError(ExitCode::kUsage, fmt::format("--url {}: not an http:// address", url));
  client_.set_keep_alive(true);
  client_.set_tcp_nodelay(true);
  client_.set_read_timeout(600);
  if (!api_key.empty()) client_.set_bearer_token_auth(api_key.front());
}

std::string ApiClient::first_model() {
  const auto result = client_.Get("/v1/models");
  if (!result)
    throw StartError(ExitCode::kNoDevice,
                     fmt::format("no server answers at {} ({})", url_, to_string(result.error())));
  if (result->status != 200)
    throw StartError(ExitCode::kNoDevice, fmt::format("{}: {}", url_, reason_in(result->body)));
  const Json json = Json::parse(result->body, nullptr, false);
  if (!json.is_object() || !json.contains("data") || json["data"].empty())
    throw StartError(ExitCode::kNoDevice, fmt::format("{} lists no model", url_));
  return json["data"][0].value("id", "");
}

ApiClient::Failure ApiClient::stream(const std::string& path, const Json& body,
                                     const std::function<void(const Json&)>& on_event) {
  httplib::Request request;
  request.method = "POST";
  request.path = path;
  request.set_header("Content-Type", "application/json");
  request.body = body.dump();
  Failure failure;
  std::string refusal;
  bool done = false;
  SseReader reader;
  const auto take = [&](const std::string& event) {
    done = done || event == "[DONE]";
    const Json json = Json::parse(event, nullptr, false);
    if (!json.is_object()) return;
    if (json.contains("error"))
      failure.message = reason_in(event);
    else
      on_event(json);
  };
  request.response_handler = [&](const httplib::Response& response) {
    failure.status = response.status;
    return true;
  };
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    if (failure.status != 200)
      refusal.append(data, size);
    else
      for (const std::string& event : reader.push({data, size})) take(event);
    return true;
  };
  httplib::Response response;
  httplib::Error error{};
  const bool whole = client_.send(request, response, error);
  if (failure.status != 0 && failure.status != 200)
    failure.message = reason_in(refusal);
  else if (!whole && failure.message.empty())
    failure.message = "the connection broke: " + to_string(error);
  else if (!done && failure.message.empty())
    failure.message = "the stream ended early";
  return failure;
}

}  // namespace ember
