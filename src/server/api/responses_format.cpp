// SPDX-License-Identifier: Apache-2.0
#include "api/responses_format.h"

#include <fmt/format.h>

#include <string>

#include "api/chat_api.h"
#include "api/generation_answer.h"

namespace ember {

namespace {

bool has_text(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string() &&
         !object[name].get_ref<const std::string&>().empty();
}

Json usage_of(const Json& usage) {
  const Json details = usage.value("completion_tokens_details", Json::object());
  return {{"input_tokens", usage["prompt_tokens"]},
          {"input_tokens_details",
           {{"cached_tokens", usage["prompt_tokens_details"]["cached_tokens"]},
            {"cache_write_tokens", 0}}},
          {"output_tokens", usage["completion_tokens"]},
          {"output_tokens_details", {{"reasoning_tokens", details.value("reasoning_tokens", 0)}}},
          {"total_tokens", usage["total_tokens"]}};
}

// The number that people wrote, not the float's own digits: 0.9, not 0.8999999761581421.
double decimal(float value) { return std::stod(fmt::format("{}", value)); }

// A response without what it will say: what was asked for, and the defaults of what was not.
Json blank_response(const Json& body, const AnswerSpec& spec) {
  const auto asked = [&](const char* name, const Json& otherwise) {
    const auto found = body.find(name);
    return found == body.end() || found->is_null() ? otherwise : *found;
  };
  return {{"id", spec.id},
          {"object", "response"},
          {"created_at", spec.created},
          {"status", "in_progress"},
          {"background", false},
          {"error", nullptr},
          {"incomplete_details", nullptr},
          {"instructions", asked("instructions", nullptr)},
          {"max_output_tokens", asked("max_output_tokens", nullptr)},
          {"metadata", asked("metadata", Json::object())},
          {"model", spec.model},
          {"output", Json::array()},
          {"parallel_tool_calls", asked("parallel_tool_calls", true)},
          {"previous_response_id", nullptr},
          {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
          {"service_tier", "default"},
          {"store", false},
          {"temperature", decimal(spec.params.sampling.temperature)},
          {"text", asked("text", {{"format", {{"type", "text"}}}})},
          {"tool_choice", asked("tool_choice", "auto")},
          {"tools", asked("tools", Json::array())},
          {"top_p", decimal(spec.params.sampling.top_p)},
          {"truncation", "disabled"},
          {"usage", nullptr},
          {"user", asked("user", nullptr)}};
}

Json text_part(const std::string& text) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

// Builds the response item by item; with every change goes the event that tells it.
class ResponsesFormat final : public AnswerFormat {
 public:
  ResponsesFormat(const Json& body, const AnswerSpec& spec)
      : response_(blank_response(body, spec)) {}

  std::string chunk(const Json& chunk) override {
    std::string events = begin();
    response_["usage"] = usage_of(chunk["usage"]);
    for (const Json& choice : chunk["choices"]) {
      add_delta(choice["delta"], events);
      if (!choice["finish_reason"].is_null()) cut_ = choice["finish_reason"] == "length";
    }
    return events;
  }

  std::string end() override {
    std::string events;
    close_item(events);
    finish();
    tell(cut_ ? "response.incomplete" : "response.completed", {{"response", response_}}, events);
    return events;
  }

  std::string error(const Error& error) override {
    std::string events = begin();
    response_["status"] = "failed";
    response_["error"] = {{"code", "server_error"}, {"message", error.message}};
    tell("response.failed", {{"response", response_}}, events);
    return events;
  }

  std::string keep_alive() override { return ": keep-alive\n\n"; }

  Json whole(const Json& completion) override {
    const Json& choice = completion["choices"][0];
    std::string unheard;
    add_delta(choice["message"], unheard);
    close_item(unheard);
    cut_ = choice["finish_reason"] == "length";
    response_["usage"] = usage_of(completion["usage"]);
    finish();
    return response_;
  }

 private:
  void tell(const char* type, const Json& fields, std::string& events) {
    Json event = {{"type", type}, {"sequence_number", sequence_++}};
    event.update(fields);
    events += typed_event(event);
  }

  std::string begin() {
    std::string events;
    if (sequence_ > 0) return events;
    tell("response.created", {{"response", response_}}, events);
    tell("response.in_progress", {{"response", response_}}, events);
    return events;
  }

  void finish() {
    response_["status"] = cut_ ? "incomplete" : "completed";
    if (cut_) response_["incomplete_details"] = {{"reason", "max_output_tokens"}};
  }

  Json& item() { return response_["output"].back(); }
  Json place() {
    return {{"item_id", item()["id"]}, {"output_index", response_["output"].size() - 1}};
  }
  Json place_in_content() {
    Json json = place();
    json["content_index"] = 0;
    return json;
  }
  static Json joined(Json a, const Json& b) {
    a.update(b);
    return a;
  }

  void add_delta(const Json& delta, std::string& events) {
    if (has_text(delta, "reasoning_content"))
      add_text("reasoning", "rs", delta["reasoning_content"], events);
    if (has_text(delta, "content")) add_text("message", "msg", delta["content"], events);
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      const Json& function = call["function"];
      if (has_text(function, "name")) open_call(call, events);
      if (has_text(function, "arguments")) add_arguments(function["arguments"], events);
    }
  }

  Json part(const std::string& text) const {
    return open_ == "reasoning" ? Json{{"type", "reasoning_text"}, {"text", text}}
                                : text_part(text);
  }

  void add_text(const char* kind, const char* prefix, const Json& text, std::string& events) {
    if (open_ != kind) {
      open_item(kind,
                {{"id", next_id(prefix)},
                 {"type", kind},
                 {"status", "in_progress"},
                 {"content", Json::array()}},
                events);
      tell("response.content_part.added", joined(place_in_content(), {{"part", part("")}}), events);
      text_.clear();
    }
    text_ += text.get_ref<const std::string&>();
    Json fields = joined(place_in_content(), {{"delta", text}});
    if (open_ == "message") fields["logprobs"] = Json::array();
    tell(open_ == "message" ? "response.output_text.delta" : "response.reasoning_text.delta",
         fields, events);
  }

  void open_call(const Json& call, std::string& events) {
    close_item(events);
    open_item("function_call",
              {{"id", next_id("fc")},
               {"type", "function_call"},
               {"status", "in_progress"},
               {"call_id", call["id"]},
               {"name", call["function"]["name"]},
               {"arguments", ""}},
              events);
    text_.clear();
  }

  void add_arguments(const Json& text, std::string& events) {
    text_ += text.get_ref<const std::string&>();
    tell("response.function_call_arguments.delta", joined(place(), {{"delta", text}}), events);
  }

  std::string next_id(const char* prefix) {
    return fmt::format("{}_{}_{}", prefix, response_["id"].get_ref<const std::string&>(),
                       response_["output"].size());
  }

  void open_item(const char* kind, Json begun, std::string& events) {
    close_item(events);
    open_ = kind;
    if (open_ == "message") begun["role"] = "assistant";
    if (open_ == "reasoning") begun["summary"] = Json::array();
    response_["output"].push_back(std::move(begun));
    tell("response.output_item.added",
         {{"output_index", response_["output"].size() - 1}, {"item", item()}}, events);
  }

  void close_item(std::string& events) {
    if (open_.empty()) return;
    if (open_ == "function_call") {
      item()["arguments"] = text_;
      tell("response.function_call_arguments.done",
           joined(place(), {{"name", item()["name"]}, {"arguments", text_}}), events);
    } else {
      item()["content"].push_back(part(text_));
      Json fields = joined(place_in_content(), {{"text", text_}});
      if (open_ == "message") fields["logprobs"] = Json::array();
      tell(open_ == "message" ? "response.output_text.done" : "response.reasoning_text.done",
           fields, events);
      tell("response.content_part.done", joined(place_in_content(), {{"part", part(text_)}}),
           events);
    }
    item()["status"] = "completed";
    tell("response.output_item.done",
         {{"output_index", response_["output"].size() - 1}, {"item", item()}}, events);
    open_.clear();
  }

  Json response_;
  int sequence_ = 0;  // of the next event
  std::string open_;  // type of the item that is open, the last of the output; empty: none
  std::string text_;  // of it
  bool cut_ = false;  // at max_output_tokens
};

}  // namespace

std::unique_ptr<AnswerFormat> make_responses_format(const Json& body, const AnswerSpec& spec) {
  return std::make_unique<ResponsesFormat>(body, spec);
}

}  // namespace ember
