// SPDX-License-Identifier: Apache-2.0
// Answers for writers, a tokenizer, and a sink that is no socket.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "api/answer_writer.h"
#include "ember/server/answer_sink.h"
#include "ember/server/metrics.h"

namespace ember {

using Json = nlohmann::ordered_json;

// The demo model's: byte-level BPE.
inline const Tokenizer& demo_tokenizer() {
  static const std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::load(std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model").value();
  return *tokenizer;
}

inline std::vector<int32_t> ids_of(const std::string& text) {
  return demo_tokenizer().encode(text, {.add_special_tokens = false}).value();
}

inline AnswerEvent content_event(const std::string& text) {
  AnswerEvent event;
  event.content = text;
  return event;
}

inline AnswerEvent last_event(const std::string& text, Finish finish) {
  AnswerEvent event = content_event(text);
  event.finish = std::move(finish);
  return event;
}

// A choice that thinks, speaks and calls two functions; each piece comes alone.
inline std::vector<AnswerEvent> events_of_everything() {
  const auto thought = [](const std::string& text) {
    AnswerEvent event;
    event.reasoning = text;
    return event;
  };
  const auto call = [](ToolCallDelta delta) {
    AnswerEvent event;
    event.calls.push_back(std::move(delta));
    return event;
  };
  std::vector<AnswerEvent> events = {content_event(""),
                                     thought("Hm"),
                                     thought("m."),
                                     content_event("Let me "),
                                     content_event("see."),
                                     call({0, "c0", "weather", ""}),
                                     call({0, "", "", "{\"city\":"}),
                                     call({0, "", "", "\"Rome\"}"}),
                                     call({1, "c1", "time", "{}"}),
                                     last_event("", {Finish::Reason::kToolCalls, {}})};
  events.front().first = true;
  return events;
}

inline std::vector<AnswerEvent> whole_of(const std::vector<AnswerEvent>& events) {
  AnswerEvent whole;
  for (const AnswerEvent& event : events) whole.append(event);
  return {whole};
}

inline Usage some_usage(int64_t output) {
  return {
      .prompt_tokens = 10, .cached_tokens = 4, .completion_tokens = output, .reasoning_tokens = 2};
}

// The whole stream; each event adds one token.
inline std::string stream_of(AnswerWriter& writer, const std::vector<AnswerEvent>& events) {
  std::string out;
  int64_t tokens = 1;
  writer.begin(some_usage(tokens), out);
  for (const AnswerEvent& event : events) writer.event(event, some_usage(tokens++), out);
  writer.end(some_usage(tokens - 1), out);
  return out;
}

// The JSON of each server-sent event; what is no JSON is left out.
inline std::vector<Json> events_in(const std::string& text) {
  std::vector<Json> events;
  size_t at = 0;
  while ((at = text.find("data: ", at)) != std::string::npos) {
    at += 6;
    Json json = Json::parse(text.substr(at, text.find('\n', at) - at), nullptr, false);
    if (!json.is_discarded()) events.push_back(std::move(json));
  }
  return events;
}

// Sequences that ended for this reason.
inline int num_finished(const Metrics& metrics, const std::string& reason) {
  std::istringstream lines(metrics.text());
  int count = 0;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("vllm:request_success_total{") &&
        line.find("\"" + reason + "\"") != std::string::npos)
      count += std::stoi(line.substr(line.rfind(' ')));
  return count;
}

// Collects an answer.
struct StringSink final : AnswerSink {
  void start(const Start& start) override {
    ++starts;
    started = start;
  }
  void write(std::string_view payload) override {
    payloads.emplace_back(payload);
    text += payload;
  }
  void end(bool good) override {
    ++ends;
    complete = good;
  }

  Start started;
  int starts = 0, ends = 0;
  bool complete = false;
  std::vector<std::string> payloads;
  std::string text;
};

}  // namespace ember
