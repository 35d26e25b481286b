// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "api_client.h"
#include "commands.h"
#include "ember/base/clock.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

class ChatClient {
 public:
  explicit ChatClient(const Settings& settings)
      : settings_(settings.chat),
        client_(settings.client.url, settings.client.api_keys),
        model_(settings.client.model) {
    if (model_.empty()) model_ = client_.first_model();
    clear();
  }

  const std::string& model() const { return model_; }

  void clear() {
    messages_ = Json::array();
    if (!settings_.system_prompt.empty())
      messages_.push_back({{"role", "system"}, {"content", settings_.system_prompt}});
  }

  // Streams the answer to `out` and keeps it. A refused question is forgotten again.
  void ask(const std::string& question, std::ostream& out) {
    messages_.push_back({{"role", "user"}, {"content", question}});
    answer_.clear();
    tokens_ = 0;
    const TimePoint begin = Clock::now();
    TimePoint first{};
    post(out, first);
    if (!error_.empty() || answer_.empty())
      messages_.erase(messages_.size() - 1);
    else
      messages_.push_back({{"role", "assistant"}, {"content", answer_}});
    if (!error_.empty()) {
      out << "\n[" << error_ << "]" << std::endl;
      return;
    }
    const double decode = seconds(Clock::now() - first);
    out << fmt::format("\n[{} tokens, first after {:.0f} ms, {:.1f} tokens/s]", tokens_,
                       seconds(first - begin) * 1e3,
                       tokens_ > 1 && decode > 0 ? (tokens_ - 1) / decode : 0.0)
        << std::endl;
  }

 private:
  void post(std::ostream& out, TimePoint& first) {
    Json body = {{"model", model_},
                 {"messages", messages_},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}}};
    if (settings_.temperature) body["temperature"] = *settings_.temperature;
    if (settings_.max_tokens > 0) body["max_tokens"] = settings_.max_tokens;
    error_ = client_
                 .stream("/v1/chat/completions", body,
                         [&](const Json& event) { on_event(event, out, first); })
                 .message;
  }

  void on_event(const Json& json, std::ostream& out, TimePoint& first) {
    if (const auto usage = json.find("usage"); usage != json.end() && usage->is_object())
      tokens_ = usage->value("completion_tokens", 0);
    const auto choices = json.find("choices");
    if (choices == json.end() || !choices->is_array() || choices->empty()) return;
    if (first == TimePoint{}) first = Clock::now();
    const Json delta = (*choices)[0].value("delta", Json::object());
    if (const auto content = delta.find("content");
        content != delta.end() && content->is_string()) {
      answer_ += content->get<std::string>();
      out << content->get<std::string>() << std::flush;
    }
  }

  const ChatSettings& settings_;
  ApiClient client_;
  std::string model_;
  Json messages_;
  std::string answer_, error_;
  int tokens_ = 0;
};

}  // namespace

ExitCode chat(const Settings& settings, std::istream& in, std::ostream& out) {
  ChatClient client(settings);
  const bool terminal = isatty(STDIN_FILENO) == 1;
  if (terminal)
    out << client.model() << " at " << settings.client.url << " (/clear forgets, /exit leaves)"
        << std::endl;
  std::string line;
  while (true) {
    if (terminal) out << "> " << std::flush;
    if (!std::getline(in, line) || line == "/exit") break;
    if (line == "/clear")
      client.clear();
    else if (line.find_first_not_of(" \t") != std::string::npos)
      client.ask(line, out);
  }
  return ExitCode::kOk;
}

}  // namespace ember
