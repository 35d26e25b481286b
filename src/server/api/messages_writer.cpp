// SPDX-License-Identifier: Apache-2.0
// Anthropic's Messages.
#include <utility>

#include "api/answer_writer.h"
#include "api/error_answer.h"
#include "api/openai_json.h"

namespace ember {

namespace {

// Tokens read from the cache are not part of input_tokens there.
Json usage_of(const Usage& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.completion_tokens}};
}

// What ended the answer.
Json ending_of(const Finish& finish) {
  const auto* stop = std::get_if<std::string>(&finish.stop);
  const char* reason = stop != nullptr ? "stop_sequence" : "end_turn";
  if (finish.reason == Finish::Reason::kLength) reason = "max_tokens";
  if (finish.reason == Finish::Reason::kToolCalls) reason = "tool_use";
  return {{"stop_reason", reason}, {"stop_sequence", stop != nullptr ? Json(*stop) : Json()}};
}

Json content_of(const AnswerEvent& choice) {
  Json content = Json::array();
  if (!choice.reasoning.empty())
    content.push_back({{"type", "thinking"}, {"thinking", choice.reasoning}, {"signature", ""}});
  if (!choice.content.empty()) content.push_back({{"type", "text"}, {"text", choice.content}});
  for (const ToolCallDelta& call : choice.calls) {
    Json input = Json::parse(call.arguments, nullptr, false);
    content.push_back({{"type", "tool_use"},
                       {"id", call.id},
                       {"name", call.name},
                       {"input", input.is_object() ? std::move(input) : Json::object()}});
  }
  return content;
}

class MessagesWriter final : public AnswerWriter {
 public:
  explicit MessagesWriter(AnswerName name) : name_(std::move(name)) {}

  void begin(const Usage& usage, std::string& out) override {
    const Json no_ending = {{"stop_reason", nullptr}, {"stop_sequence", nullptr}};
    out += typed_event(
        {{"type", "message_start"}, {"message", message(Json::array(), no_ending, usage)}});
  }

  void event(const AnswerEvent& event, const Usage&, std::string& out) override {
    if (!event.reasoning.empty()) {
      open_block("thinking", {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, out);
      add({{"type", "thinking_delta"}, {"thinking", event.reasoning}}, out);
    }
    if (!event.content.empty()) {
      open_block("text", {{"type", "text"}, {"text", ""}}, out);
      add({{"type", "text_delta"}, {"text", event.content}}, out);
    }
    for (const ToolCallDelta& call : event.calls) {
      if (!call.name.empty())
        open_block(
            "tool_use " + std::to_string(call.index),
            {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", Json::object()}},
            out);
      if (!call.arguments.empty())
        add({{"type", "input_json_delta"}, {"partial_json", call.arguments}}, out);
    }
    if (event.finish) finish_ = *event.finish;
  }

  void end(const Usage& usage, std::string& out) override {
    close_block(out);
    out += typed_event(
        {{"type", "message_delta"}, {"delta", ending_of(finish_)}, {"usage", usage_of(usage)}});
    out += typed_event({{"type", "message_stop"}});
  }

  void fail(const Error& error, std::string& out) override {
    out += "event: error\ndata: " + this->error(error) + "\n\n";
  }
  void keep_alive(std::string& out) override { out += typed_event({{"type", "ping"}}); }

  std::string whole(const std::vector<AnswerEvent>& choices, const Usage& usage) override {
    const AnswerEvent& choice = choices.front();
    return dump(message(content_of(choice), ending_of(choice.finish.value_or(Finish{})), usage));
  }
  std::string error(const Error& error) override { return error_body_for("/v1/messages", error); }

 private:
  Json message(Json content, const Json& ending, const Usage& usage) const {
    Json json = {{"id", name_.id},
                 {"type", "message"},
                 {"role", "assistant"},
                 {"model", name_.model},
                 {"content", std::move(content)}};
    json.update(ending);
    json["usage"] = usage_of(usage);
    return json;
  }

  // Does nothing if the block that is open is `kind` already.
  void open_block(const std::string& kind, const Json& block, std::string& out) {
    if (open_ == kind) return;
    close_block(out);
    open_ = kind;
    out += typed_event(
        {{"type", "content_block_start"}, {"index", ++index_}, {"content_block", block}});
  }

  void add(const Json& delta, std::string& out) const {
    out += typed_event({{"type", "content_block_delta"}, {"index", index_}, {"delta", delta}});
  }

  void close_block(std::string& out) {
    if (!open_.empty()) out += typed_event({{"type", "content_block_stop"}, {"index", index_}});
    open_.clear();
  }

  const AnswerName name_;
  std::string open_;  // the open block: thinking, text, or tool_use and its number; empty: none
  int index_ = -1;    // of the last block
  Finish finish_;
};

}  // namespace

std::unique_ptr<AnswerWriter> make_messages_writer(AnswerName name) {
  return std::make_unique<MessagesWriter>(std::move(name));
}

}  // namespace ember
