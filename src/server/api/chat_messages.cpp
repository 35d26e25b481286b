// SPDX-License-Identifier: Apache-2.0
#include "api/chat_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "api/text_content.h"

namespace ember {

namespace {

constexpr size_t kMaxMessages = 2048, kMaxCalls = 128;

const TextParts kParts = {.noun = "parts",
                          .types = {"text"},
                          .refusal = "must be of the type text: no other content is supported.",
                          .refuses_no_object = true};

// Members that are texts where they are there at all; templates print them.
constexpr const char* kTexts[] = {"name",     "reasoning_content", "reasoning",
                                  "thinking", "refusal",           "tool_call_id"};

Result<void> check_texts(const Json& object, std::span<const char* const> names,
                         const std::string& path) {
  for (const char* name : names)
    if (object.contains(name) && !object[name].is_null() && !object[name].is_string())
      return wrong(fmt::format("{}.{}", path, name),
                   fmt::format("must be a string, not {}.", type_name(object[name])));
  return {};
}

bool are_arguments(const Json& arguments) {
  return arguments.is_object() ||
         (arguments.is_string() && is_object_text(arguments.get_ref<const std::string&>()));
}

Result<ToolCall> read_call(const Json& call, const std::string& path) {
  if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
    return wrong(path, "must hold an object \"function\".");
  static constexpr const char* kCallTexts[] = {"id", "type"};
  if (const Result<void> texts = check_texts(call, kCallTexts, path); !texts.ok())
    return texts.error();
  if (const std::string type = type_of(call); !type.empty() && type != "function")
    return wrong(path + ".type", "must be function.", "invalid_value");
  const Json& function = call["function"];
  if (!is_text(function, "name")) return wrong(path + ".function.name", "must be a string.");
  if (function.contains("arguments") && !are_arguments(function["arguments"]))
    return wrong(path + ".function.arguments", "must be the JSON text of an object.",
                 "invalid_value");
  return ToolCall{.id = is_text(call, "id") ? call["id"].get<std::string>() : "",
                  .name = function["name"].get<std::string>(),
                  .arguments = function.value("arguments", Json())};
}

Result<void> read_calls(const Json& calls, const std::string& path, Message& message) {
  if (!calls.is_array())
    return wrong(path, fmt::format("must be a list, not {}.", type_name(calls)));
  if (calls.size() > kMaxCalls)
    return wrong(path, fmt::format("must hold at most {} calls.", kMaxCalls), "invalid_value");
  for (size_t i = 0; i < calls.size(); ++i) {
    Result<ToolCall> call = read_call(calls[i], fmt::format("{}[{}]", path, i));
    if (!call.ok()) return call.error();
    message.calls.push_back(std::move(call).value());
  }
  return {};
}

bool is_role(const Json& role) {
  return role == "system" || role == "developer" || role == "user" || role == "assistant" ||
         role == "tool";
}

Result<Message> read_message(const Json& json, const std::string& path) {
  if (!json.is_object())
    return wrong(path, fmt::format("must be an object, not {}.", type_name(json)));
  if (!json.contains("role") || !is_role(json["role"]))
    return wrong(path + ".role", "must be system, developer, user, assistant or tool.",
                 "invalid_value");
  if (const Result<void> texts = check_texts(json, kTexts, path); !texts.ok()) return texts.error();
  Message message{.role = json["role"].get<std::string>(), .content = {}, .others = json};
  for (const char* name : {"role", "content", "tool_calls"}) message.others.erase(name);
  if (message.role == "tool") {
    if (!is_text(json, "tool_call_id")) return wrong(path + ".tool_call_id", "must be a string.");
    message.call_id = json["tool_call_id"].get<std::string>();
    message.others.erase("tool_call_id");
  }
  if (message.role == "assistant" && json.contains("tool_calls") && !json["tool_calls"].is_null()) {
    if (const Result<void> read = read_calls(json["tool_calls"], path + ".tool_calls", message);
        !read.ok())
      return read.error();
  }
  const auto content = json.find("content");
  if (content != json.end() && !content->is_null()) {
    Result<MessageContent> read = read_text_content(*content, path + ".content", kParts);
    if (!read.ok()) return read.error();
    message.content = std::move(read).value();
  } else if (message.calls.empty()) {
    return wrong(path + ".content", "is missing.");
  }
  return message;
}

Result<void> check_call_ids(const std::vector<Message>& messages) {
  CallIds ids;
  for (size_t i = 0; i < messages.size(); ++i) {
    for (const ToolCall& call : messages[i].calls) ids.add(call.id);
    if (messages[i].role == "tool" && !ids.may_be_answered(messages[i].call_id))
      return wrong(fmt::format("messages[{}].tool_call_id", i),
                   "is of no call in the messages before.", "invalid_value");
  }
  return {};
}

}  // namespace

bool is_object_text(const std::string& text) {
  return text.empty() || parse_object(text).ok();  // some clients send no text for no arguments
}

Result<std::vector<Message>> read_messages(FieldReader& fields) {
  const Json* list = fields.value("messages");
  if (list == nullptr || !list->is_array()) return wrong("messages", "must be a list of objects.");
  if (list->empty() || list->size() > kMaxMessages)
    return wrong("messages", fmt::format("must hold 1 to {} messages.", kMaxMessages),
                 "invalid_value");
  std::vector<Message> messages;
  for (size_t i = 0; i < list->size(); ++i) {
    Result<Message> message = read_message((*list)[i], fmt::format("messages[{}]", i));
    if (!message.ok()) return message.error();
    messages.push_back(std::move(message).value());
  }
  if (const Result<void> ids = check_call_ids(messages); !ids.ok()) return ids.error();
  return messages;
}

}  // namespace ember
