// SPDX-License-Identifier: Apache-2.0
#include "api/chat_messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_calls.h"
#include "api/text_content.h"

namespace ember {

namespace {

constexpr size_t kMaxMessages = 2048;

const TextParts kParts = {.noun = "parts",
                          .types = {"text"},
                          .refusal = "must be of the type text: no other content is supported.",
                          .refuses_no_object = true};

// Members that are texts where they are there at all; templates print them.
constexpr const char* kTexts[] = {"name",     "reasoning_content", "reasoning",
                                  "thinking", "refusal",           "tool_call_id"};

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
  FieldReader fields(json, path + ".");
  for (const char* name : kTexts) fields.text(name, SIZE_MAX, "");
  if (!fields.ok()) return fields.error();
  Message message{.role = json["role"].get<std::string>(), .content = {}, .others = json};
  for (const char* name : {"role", "content", "tool_calls"}) message.others.erase(name);
  if (message.role == "tool") {
    if (!fields.has("tool_call_id")) return wrong(path + ".tool_call_id", "must be a string.");
    message.call_id = json["tool_call_id"].get<std::string>();
    message.others.erase("tool_call_id");
  }
  const Json* calls = message.role == "assistant" ? fields.value("tool_calls") : nullptr;
  if (calls != nullptr)
    if (const Result<void> read = read_calls(*calls, path + ".tool_calls", message); !read.ok())
      return read.error();
  if (const Json* content = fields.value("content")) {
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
