// SPDX-License-Identifier: Apache-2.0
#include "api/anthropic_format.h"

#include "api/chat_api.h"
#include "api/error_answer.h"

namespace ember {

namespace {

// Tokens read from the cache are not part of input_tokens there.
Json usage_of(const Json& usage) {
  const auto prompt = usage["prompt_tokens"].get<int64_t>();
  const auto cached = usage["prompt_tokens_details"]["cached_tokens"].get<int64_t>();
  return {{"input_tokens", prompt - cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", cached},
          {"output_tokens", usage["completion_tokens"]}};
}

// What ended the answer, from a choice that is finished.
Json ending_of(const Json& choice) {
  const Json& reason = choice["finish_reason"];
  const Json stop = choice.value("stop_reason", Json());
  const char* own = "end_turn";
  if (reason == "length")
    own = "max_tokens";
  else if (reason == "tool_calls")
    own = "tool_use";
  else if (stop.is_string())
    own = "stop_sequence";
  return {{"stop_reason", own}, {"stop_sequence", stop.is_string() ? stop : Json(nullptr)}};
}

bool has_text(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string() &&
         !object[name].get_ref<const std::string&>().empty();
}

Json message(const Json& chat, const Json& content, const Json& ending) {
  Json json = {{"id", chat["id"]},
               {"type", "message"},
               {"role", "assistant"},
               {"model", chat["model"]},
               {"content", content}};
  json.update(ending);
  json["usage"] = usage_of(chat["usage"]);
  return json;
}

class AnthropicFormat final : public AnswerFormat {
 public:
  std::string chunk(const Json& chunk) override {
    std::string events;
    if (!begun_) {
      begun_ = true;
      events += typed_event(
          {{"type", "message_start"},
           {"message", message(chunk, Json::array(),
                               {{"stop_reason", nullptr}, {"stop_sequence", nullptr}})}});
    }
    usage_ = chunk["usage"];
    for (const Json& choice : chunk["choices"]) {
      add_delta(choice["delta"], events);
      if (!choice["finish_reason"].is_null()) ending_ = ending_of(choice);
    }
    return events;
  }

  std::string end() override {
    std::string events;
    close_block(events);
    events +=
        typed_event({{"type", "message_delta"}, {"delta", ending_}, {"usage", usage_of(usage_)}});
    return events + typed_event({{"type", "message_stop"}});
  }

  std::string error(const Error& error) override {
    return typed_event(Json::parse(error_body_for("/v1/messages", error)));
  }
  std::string keep_alive() override { return typed_event({{"type", "ping"}}); }

  Json whole(const Json& completion) override {
    const Json& choice = completion["choices"][0];
    const Json& said = choice["message"];
    Json content = Json::array();
    if (has_text(said, "reasoning_content"))
      content.push_back(
          {{"type", "thinking"}, {"thinking", said["reasoning_content"]}, {"signature", ""}});
    if (has_text(said, "content")) content.push_back({{"type", "text"}, {"text", said["content"]}});
    for (const Json& call : said.value("tool_calls", Json::array())) {
      const Json input =
          Json::parse(call["function"]["arguments"].get_ref<const std::string&>(), nullptr, false);
      content.push_back({{"type", "tool_use"},
                         {"id", call["id"]},
                         {"name", call["function"]["name"]},
                         {"input", input.is_object() ? input : Json::object()}});
    }
    return message(completion, content, ending_of(choice));
  }

 private:
  void add_delta(const Json& delta, std::string& events) {
    if (has_text(delta, "reasoning_content")) {
      open_block("thinking", {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, events);
      add({{"type", "thinking_delta"}, {"thinking", delta["reasoning_content"]}}, events);
    }
    if (has_text(delta, "content")) {
      open_block("text", {{"type", "text"}, {"text", ""}}, events);
      add({{"type", "text_delta"}, {"text", delta["content"]}}, events);
    }
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      const Json& function = call["function"];
      if (has_text(function, "name"))
        open_block("tool_use " + call["index"].dump(),
                   {{"type", "tool_use"},
                    {"id", call["id"]},
                    {"name", function["name"]},
                    {"input", Json::object()}},
                   events);
      if (has_text(function, "arguments"))
        add({{"type", "input_json_delta"}, {"partial_json", function["arguments"]}}, events);
    }
  }

  // Does nothing if the block that is open is `kind` already.
  void open_block(const std::string& kind, const Json& block, std::string& events) {
    if (open_ == kind) return;
    close_block(events);
    open_ = kind;
    events += typed_event(
        {{"type", "content_block_start"}, {"index", ++index_}, {"content_block", block}});
  }

  void add(const Json& delta, std::string& events) const {
    events += typed_event({{"type", "content_block_delta"}, {"index", index_}, {"delta", delta}});
  }

  void close_block(std::string& events) {
    if (!open_.empty()) events += typed_event({{"type", "content_block_stop"}, {"index", index_}});
    open_.clear();
  }

  bool begun_ = false;
  std::string
      open_;  // the block that is open: thinking, text, or tool_use and its number; empty: none
  int index_ = -1;  // of the last block
  Json usage_, ending_;
};

}  // namespace

std::unique_ptr<AnswerFormat> make_anthropic_format(const Json&, const AnswerSpec&) {
  return std::make_unique<AnthropicFormat>();
}

}  // namespace ember
