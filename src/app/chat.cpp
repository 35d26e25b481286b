#include <fmt/format.h>
#include <httplib.h>
#include <unistd.h>

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/sse_reader.h"
#include "ember/base/clock.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

// What the server said instead of an answer.
std::string reason_in(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  const auto error = json.is_object() ? json.find("error") : json.end();
  if (json.is_object() && error != json.end() && error->is_object()) return error->value("message", body);
  return body.substr(0, 200);
}

class ChatClient {
 public:
  explicit ChatClient(const Settings& settings) : settings_(settings), client_(settings.url), model_(settings.model) {
    if (!client_.is_valid()) throw StartError(ExitCode::kUsage, fmt::format("--url {}: not an http:// address", settings.url));
    client_.set_read_timeout(600);
    if (!settings.api_key.empty()) client_.set_bearer_token_auth(settings.api_key.front());
    if (model_.empty()) model_ = first_model();
    clear();
  }

  const std::string& model() const { return model_; }

  void clear() {
    messages_ = Json::array();
    if (!settings_.system_prompt.empty()) messages_.push_back({{"role", "system"}, {"content", settings_.system_prompt}});
  }

  // Streams the answer to `out` and keeps it. A refused question is forgotten again.
  void ask(const std::string& question, std::ostream& out) {
    messages_.push_back({{"role", "user"}, {"content", question}});
    answer_.clear();
    tokens_ = 0;
    error_.clear();
    const TimePoint begin = Clock::now();
    TimePoint first{};
    post(out, first);
    if (!error_.empty() || answer_.empty()) messages_.erase(messages_.size() - 1);
    else messages_.push_back({{"role", "assistant"}, {"content", answer_}});
    if (!error_.empty()) {
      out << "\n[" << error_ << "]" << std::endl;
      return;
    }
    const double decode = seconds(Clock::now() - first);
    out << fmt::format("\n[{} tokens, first after {:.0f} ms, {:.1f} tokens/s]", tokens_, seconds(first - begin) * 1e3,
                       tokens_ > 1 && decode > 0 ? (tokens_ - 1) / decode : 0.0) << std::endl;
  }

 private:
  std::string first_model() {
    const auto result = client_.Get("/v1/models");
    if (!result) throw StartError(ExitCode::kNoDevice, fmt::format("no server answers at {} ({})", settings_.url, to_string(result.error())));
    if (result->status != 200) throw StartError(ExitCode::kNoDevice, fmt::format("{}: {}", settings_.url, reason_in(result->body)));
    const Json json = Json::parse(result->body, nullptr, false);
    if (!json.is_object() || !json.contains("data") || json["data"].empty())
      throw StartError(ExitCode::kNoDevice, fmt::format("{} lists no model", settings_.url));
    return json["data"][0].value("id", "");
  }

  void post(std::ostream& out, TimePoint& first) {
    Json body = {{"model", model_}, {"messages", messages_}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
    if (settings_.temperature) body["temperature"] = *settings_.temperature;
    if (settings_.max_tokens > 0) body["max_tokens"] = settings_.max_tokens;
    httplib::Request request;
    request.method = "POST";
    request.path = "/v1/chat/completions";
    request.set_header("Content-Type", "application/json");
    request.body = body.dump();
    int status = 0;
    std::string refusal;
    SseReader reader;
    request.response_handler = [&](const httplib::Response& response) {
      status = response.status;
      return true;
    };
    request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
      if (status != 200) refusal.append(data, size);
      else for (const std::string& event : reader.push({data, size})) on_event(event, out, first);
      return true;
    };
    httplib::Response response;
    httplib::Error error{};
    if (!client_.send(request, response, error) && error_.empty()) error_ = "the connection broke: " + to_string(error);
    if (status != 0 && status != 200) error_ = reason_in(refusal);
  }

  void on_event(const std::string& event, std::ostream& out, TimePoint& first) {
    if (event == "[DONE]") return;
    const Json json = Json::parse(event, nullptr, false);
    if (!json.is_object()) return;
    if (json.contains("error")) error_ = reason_in(event);
    if (const auto usage = json.find("usage"); usage != json.end() && usage->is_object())
      tokens_ = usage->value("completion_tokens", 0);
    const auto choices = json.find("choices");
    if (choices == json.end() || !choices->is_array() || choices->empty()) return;
    if (first == TimePoint{}) first = Clock::now();
    const Json delta = (*choices)[0].value("delta", Json::object());
    if (const auto content = delta.find("content"); content != delta.end() && content->is_string()) {
      answer_ += content->get<std::string>();
      out << content->get<std::string>() << std::flush;
    }
  }

  const Settings& settings_;
  httplib::Client client_;
  std::string model_;
  Json messages_;
  std::string answer_, error_;
  int tokens_ = 0;
};

}  // namespace

ExitCode chat(const Settings& settings, std::istream& in, std::ostream& out) {
  ChatClient client(settings);
  const bool terminal = isatty(STDIN_FILENO) == 1;
  if (terminal) out << client.model() << " at " << settings.url << " (/clear forgets, /exit leaves)" << std::endl;
  std::string line;
  while (true) {
    if (terminal) out << "> " << std::flush;
    if (!std::getline(in, line) || line == "/exit") break;
    if (line == "/clear") client.clear();
    else if (line.find_first_not_of(" \t") != std::string::npos) client.ask(line, out);
  }
  return ExitCode::kOk;
}

}  // namespace ember
