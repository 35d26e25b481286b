// SPDX-License-Identifier: Apache-2.0
// OpenAI's Responses.
#include <fmt/format.h>

#include <utility>

#include "api/answer_writer.h"
#include "api/openai_json.h"

namespace ember {

namespace {

Json usage_of(const Usage& usage) {
  return {
      {"input_tokens", usage.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
      {"output_tokens", usage.completion_tokens},
      {"output_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens.value_or(0)}}},
      {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

// A response without what it will say.
Json blank_response(const AnswerName& name, const Json& asked) {
  return {{"id", name.id},
          {"object", "response"},
          {"created_at", name.created},
          {"status", "in_progress"},
          {"background", false},
          {"error", nullptr},
          {"incomplete_details", nullptr},
          {"instructions", asked["instructions"]},
          {"max_output_tokens", asked["max_output_tokens"]},
          {"metadata", asked["metadata"]},
          {"model", name.model},
          {"output", Json::array()},
          {"parallel_tool_calls", asked["parallel_tool_calls"]},
          {"previous_response_id", nullptr},
          {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
          {"service_tier", "default"},
          {"store", false},
          {"temperature", asked["temperature"]},
          {"text", asked["text"]},
          {"tool_choice", asked["tool_choice"]},
          {"tools", asked["tools"]},
          {"top_p", asked["top_p"]},
          {"truncation", "disabled"},
          {"usage", nullptr},
          {"user", asked["user"]}};
}

Json text_part(const std::string& text) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

Json joined(Json a, const Json& b) {
  a.update(b);
  return a;
}

// Builds the response item by item; with every change goes the event that tells it.
class ResponsesWriter final : public AnswerWriter {
 public:
  ResponsesWriter(const AnswerName& name, const Json& asked)
      : response_(blank_response(name, asked)) {}

  void begin(const Usage&, std::string& out) override {
    tell("response.created", {{"response", response_}}, out);
    tell("response.in_progress", {{"response", response_}}, out);
  }

  void event(const AnswerEvent& event, const Usage& usage, std::string& out) override {
    usage_ = usage;
    if (!event.reasoning.empty()) add_text("reasoning", "rs", event.reasoning, out);
    if (!event.content.empty()) add_text("message", "msg", event.content, out);
    for (const ToolCallDelta& call : event.calls) {
      if (!call.name.empty()) open_call(call, out);
      if (!call.arguments.empty()) add_arguments(call.arguments, out);
    }
    if (event.finish) cut_ = event.finish->reason == Finish::Reason::kLength;
  }

  void end(const Usage& usage, std::string& out) override {
    finish(usage, out);
    tell(cut_ ? "response.incomplete" : "response.completed", {{"response", response_}}, out);
  }

  void fail(const Error& error, std::string& out) override {
    if (sequence_ == 0) begin({}, out);
    if (usage_) response_["usage"] = usage_of(*usage_);
    response_["status"] = "failed";
    response_["error"] = {{"code", "server_error"}, {"message", error.message}};
    tell("response.failed", {{"response", response_}}, out);
  }

  std::string whole(const std::vector<AnswerEvent>& choices, const Usage& usage) override {
    std::string unheard;
    event(choices.front(), usage, unheard);
    finish(usage, unheard);
    return dump(response_);
  }
  std::string error(const Error& error) override { return openai_error(error); }

 private:
  void tell(const char* type, const Json& fields, std::string& out) {
    out += typed_event(joined({{"type", type}, {"sequence_number", sequence_++}}, fields));
  }

  void finish(const Usage& usage, std::string& out) {
    close_item(out);
    response_["usage"] = usage_of(usage);
    response_["status"] = cut_ ? "incomplete" : "completed";
    if (cut_) response_["incomplete_details"] = {{"reason", "max_output_tokens"}};
  }

  Json& item() { return response_["output"].back(); }
  Json place() {
    return {{"item_id", item()["id"]}, {"output_index", response_["output"].size() - 1}};
  }
  Json place_in_content() { return joined(place(), {{"content_index", 0}}); }

  Json part(const std::string& text) const {
    return open_ == "reasoning" ? Json{{"type", "reasoning_text"}, {"text", text}}
                                : text_part(text);
  }

  void add_text(const char* kind, const char* prefix, const std::string& text, std::string& out) {
    if (open_ != kind) {
      open_item(kind,
                {{"id", next_id(prefix)},
                 {"type", kind},
                 {"status", "in_progress"},
                 {"content", Json::array()}},
                out);
      tell("response.content_part.added", joined(place_in_content(), {{"part", part("")}}), out);
    }
    text_ += text;
    Json fields = joined(place_in_content(), {{"delta", text}});
    if (open_ == "message") fields["logprobs"] = Json::array();
    tell(open_ == "message" ? "response.output_text.delta" : "response.reasoning_text.delta",
         fields, out);
  }

  void open_call(const ToolCallDelta& call, std::string& out) {
    close_item(out);
    open_item("function_call",
              {{"id", next_id("fc")},
               {"type", "function_call"},
               {"status", "in_progress"},
               {"call_id", call.id},
               {"name", call.name},
               {"arguments", ""}},
              out);
  }

  void add_arguments(const std::string& text, std::string& out) {
    text_ += text;
    tell("response.function_call_arguments.delta", joined(place(), {{"delta", text}}), out);
  }

  std::string next_id(const char* prefix) {
    return fmt::format("{}_{}_{}", prefix, response_["id"].get_ref<const std::string&>(),
                       response_["output"].size());
  }

  void open_item(const char* kind, Json begun, std::string& out) {
    close_item(out);
    open_ = kind;
    text_.clear();
    if (open_ == "message") begun["role"] = "assistant";
    if (open_ == "reasoning") begun["summary"] = Json::array();
    response_["output"].push_back(std::move(begun));
    tell("response.output_item.added",
         {{"output_index", response_["output"].size() - 1}, {"item", item()}}, out);
  }

  void close_item(std::string& out) {
    if (open_.empty()) return;
    if (open_ == "function_call") {
      item()["arguments"] = text_;
      tell("response.function_call_arguments.done",
           joined(place(), {{"name", item()["name"]}, {"arguments", text_}}), out);
    } else {
      close_content(out);
    }
    item()["status"] = "completed";
    tell("response.output_item.done",
         {{"output_index", response_["output"].size() - 1}, {"item", item()}}, out);
    open_.clear();
  }

  void close_content(std::string& out) {
    item()["content"].push_back(part(text_));
    Json fields = joined(place_in_content(), {{"text", text_}});
    if (open_ == "message") fields["logprobs"] = Json::array();
    tell(open_ == "message" ? "response.output_text.done" : "response.reasoning_text.done", fields,
         out);
    tell("response.content_part.done", joined(place_in_content(), {{"part", part(text_)}}), out);
  }

  Json response_;
  int sequence_ = 0;  // of the next event
  std::string open_;  // type of the item that is open, the last of the output; empty: none
  std::string text_;  // of it
  bool cut_ = false;  // at max_output_tokens
  std::optional<Usage> usage_;  // with the last event
};

}  // namespace

std::unique_ptr<AnswerWriter> make_responses_writer(const AnswerName& name, const Json& asked) {
  return std::make_unique<ResponsesWriter>(name, asked);
}

}  // namespace ember
