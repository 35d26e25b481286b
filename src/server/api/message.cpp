// SPDX-License-Identifier: Apache-2.0
#include "api/message.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

Json content_json(const Message& message) {
  if (const auto* text = std::get_if<std::string>(&message.content)) return *text;
  const auto* texts = std::get_if<std::vector<std::string>>(&message.content);
  if (texts == nullptr) return nullptr;
  Json parts = Json::array();
  for (const std::string& text : *texts) parts.push_back({{"type", "text"}, {"text", text}});
  return parts;
}

Json call_json(const ToolCall& call) {
  Json function = {{"name", call.name}};
  if (!call.arguments.is_null()) function["arguments"] = call.arguments;
  Json json = Json::object();
  if (!call.id.empty()) json["id"] = call.id;
  json["type"] = "function";
  json["function"] = std::move(function);
  return json;
}

}  // namespace

Json template_messages(const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    Json json = {{"role", message.role}, {"content", content_json(message)}};
    for (const ToolCall& call : message.calls) json["tool_calls"].push_back(call_json(call));
    if (!message.call_id.empty()) json["tool_call_id"] = message.call_id;
    json.update(message.others);
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace ember
