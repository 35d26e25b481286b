// SPDX-License-Identifier: Apache-2.0
// docs: Anthropic's Messages API
#include <fmt/format.h>

#include <algorithm>

#include "api/anthropic_format.h"
#include "api/chat_api.h"
#include "api/chat_request.h"

namespace ember {

namespace {

constexpr size_t kMaxMessages = 2048, kMaxBlocks = 1024;

// "content" where only text may stand: a string or text blocks.
Result<Json> text_of(const Json& content, const std::string& path) {
  if (content.is_string()) return content;
  if (!content.is_array())
    return wrong(path,
                 fmt::format("must be a string or a list of blocks, not {}.", type_name(content)));
  if (content.size() > kMaxBlocks)
    return wrong(path, fmt::format("must hold at most {} blocks.", kMaxBlocks), "invalid_value");
  Json parts = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", path, i);
    if (type_of(content[i]) != "text")
      return wrong(where, "must be of the type text: nothing else is supported here.",
                   "unsupported_content");
    if (!is_text(content[i], "text")) return wrong(where + ".text", "must be a string.");
    parts.push_back({{"type", "text"}, {"text", content[i]["text"]}});
  }
  if (parts.empty()) return Json("");
  return parts.size() == 1 ? parts[0]["text"] : parts;
}

// What the blocks of one message become: results of tools are messages of their own, before the
// rest.
struct Parts {
  Json results = Json::array(), text = Json::array(), calls = Json::array();
  std::string reasoning;
};

Result<void> take_block(const Json& block, bool assistant, const std::string& path, Parts& parts) {
  const std::string type = type_of(block);
  if (!block.is_object())
    return wrong(path, fmt::format("must be an object, not {}.", type_name(block)));
  if (type == "text") {
    if (!is_text(block, "text")) return wrong(path + ".text", "must be a string.");
    parts.text.push_back({{"type", "text"}, {"text", block["text"]}});
  } else if (type == "tool_use" && assistant) {
    if (!is_text(block, "id") || !is_text(block, "name"))
      return wrong(path, "must have an id and a name.");
    if (!block.contains("input") || !block["input"].is_object())
      return wrong(path + ".input", "must be an object.");
    parts.calls.push_back(
        {{"id", block["id"]},
         {"type", "function"},
         {"function", {{"name", block["name"]}, {"arguments", block["input"].dump()}}}});
  } else if (type == "tool_result" && !assistant) {
    if (!is_text(block, "tool_use_id")) return wrong(path + ".tool_use_id", "must be a string.");
    const Result<Json> content = text_of(
        block.contains("content") && !block["content"].is_null() ? block["content"] : Json(""),
        path + ".content");
    if (!content.ok()) return content.error();
    parts.results.push_back(
        {{"role", "tool"}, {"tool_call_id", block["tool_use_id"]}, {"content", content.value()}});
  } else if (type == "thinking" && assistant) {
    if (!is_text(block, "thinking")) return wrong(path + ".thinking", "must be a string.");
    parts.reasoning += block["thinking"].get<std::string>();
  } else if (type != "redacted_thinking" || !assistant) {
    return wrong(path,
                 fmt::format("must be of the type text{}: nothing else is supported.",
                             assistant ? ", tool_use or thinking" : " or tool_result"),
                 "unsupported_content");
  }
  return {};
}

Result<void> add_message(const Json& message, const std::string& path, Json& messages) {
  if (!message.is_object())
    return wrong(path, fmt::format("must be an object, not {}.", type_name(message)));
  const std::string role =
      is_text(message, "role") ? message["role"].get<std::string>() : std::string();
  if (role != "user" && role != "assistant")
    return wrong(path + ".role", "must be user or assistant.", "invalid_value");
  if (!message.contains("content")) return wrong(path + ".content", "is missing.");
  const Json& content = message["content"];
  if (content.is_string()) {
    messages.push_back({{"role", role}, {"content", content}});
    return {};
  }
  if (!content.is_array())
    return wrong(path + ".content",
                 fmt::format("must be a string or a list of blocks, not {}.", type_name(content)));
  if (content.empty() || content.size() > kMaxBlocks)
    return wrong(path + ".content", fmt::format("must hold 1 to {} blocks.", kMaxBlocks),
                 "invalid_value");
  Parts parts;
  for (size_t i = 0; i < content.size(); ++i)
    if (const Result<void> taken = take_block(content[i], role == "assistant",
                                              fmt::format("{}.content[{}]", path, i), parts);
        !taken.ok())
      return taken.error();
  for (Json& result : parts.results) messages.push_back(std::move(result));
  if (parts.text.empty() && parts.calls.empty() && parts.reasoning.empty()) return {};
  Json own = {{"role", role},
              {"content", parts.text.size() == 1 ? parts.text[0]["text"] : parts.text}};
  if (parts.text.empty()) own["content"] = parts.calls.empty() ? Json("") : Json(nullptr);
  if (!parts.calls.empty()) own["tool_calls"] = std::move(parts.calls);
  if (!parts.reasoning.empty()) own["reasoning_content"] = parts.reasoning;
  messages.push_back(std::move(own));
  return {};
}

Result<Json> messages_of(FieldReader& fields) {
  Json list = Json::array();
  if (const Json* system = fields.value("system")) {
    const Result<Json> text = text_of(*system, "system");
    if (!text.ok()) return text.error();
    list.push_back({{"role", "system"}, {"content", text.value()}});
  }
  const Json* messages = fields.value("messages");
  if (messages == nullptr || !messages->is_array())
    return wrong("messages", "must be a list of objects.");
  if (messages->empty() || messages->size() > kMaxMessages)
    return wrong("messages", fmt::format("must hold 1 to {} messages.", kMaxMessages),
                 "invalid_value");
  for (size_t i = 0; i < messages->size(); ++i)
    if (const Result<void> added =
            add_message((*messages)[i], fmt::format("messages[{}]", i), list);
        !added.ok())
      return added.error();
  return list;
}

Json function_of(FieldReader& fields, const Json& tool, const std::string& path) {
  if (!tool.is_object())
    fields.fail(path, "must be an object.", "invalid_type");
  else if (tool.contains("type") && !tool["type"].is_null() && tool["type"] != "custom")
    fields.fail(path + ".type", "supports only custom tools.", "unsupported_parameter");
  else if (!tool.contains("input_schema") || !tool["input_schema"].is_object())
    fields.fail(path + ".input_schema", "must be an object.", "invalid_type");
  if (!fields.ok()) return nullptr;
  Json function = {{"name", tool.value("name", Json())}, {"parameters", tool["input_schema"]}};
  if (is_text(tool, "description")) function["description"] = tool["description"];
  if (tool.contains("strict") && tool["strict"].is_boolean()) function["strict"] = tool["strict"];
  return function;
}

void read_tool_choice(FieldReader& fields, Json& chat) {
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr) return;
  const std::string type = type_of(*choice);
  if (type == "auto" || type == "none")
    chat["tool_choice"] = type;
  else if (type == "any")
    chat["tool_choice"] = "required";
  else if (type == "tool" && is_text(*choice, "name"))
    chat["tool_choice"] = named_choice((*choice)["name"]);
  else
    return fields.fail("tool_choice",
                       "must be an object of the type auto, any, none or tool (with a name).");
  FieldReader inner(*choice, "tool_choice.");
  if (inner.boolean("disable_parallel_tool_use", false)) chat["parallel_tool_calls"] = false;
  if (!inner.ok()) fields.fail("tool_choice", inner.error().message, inner.error().code);
}

// In output_config, or where its beta had it.
void read_format(FieldReader& fields, Json& chat) {
  const Json* config = fields.value("output_config");
  const Json* format = fields.value("output_format");
  std::string name = "output_format";
  if (config != nullptr && !config->is_object())
    return fields.fail("output_config", "must be an object.", "invalid_type");
  if (config != nullptr) {
    FieldReader inner(*config);
    if (inner.has("effort"))
      return fields.fail("output_config.effort", "is not supported.", "unsupported_parameter");
    if (inner.has("format")) {
      format = inner.value("format");
      name = "output_config.format";
    }
  }
  if (format == nullptr) return;
  if (type_of(*format) != "json_schema" || !format->contains("schema"))
    return fields.fail(name, "must be an object of the type json_schema with a schema.");
  chat["response_format"] =
      schema_format({{"name", "answer"}, {"strict", true}, {"schema", (*format)["schema"]}});
}

// Whether the model thinks first is a matter of its template; how long is not ours to say.
void read_thinking(FieldReader& fields, Json& chat) {
  const Json* thinking = fields.value("thinking");
  if (thinking == nullptr) return;
  const std::string type = type_of(*thinking);
  if (type == "enabled")
    return fields.fail("thinking",
                       "supports only the types adaptive and disabled: a budget cannot be kept.",
                       "unsupported_parameter");
  if (type != "adaptive" && type != "disabled")
    return fields.fail("thinking", "must be an object of the type adaptive or disabled.");
  if (!chat.contains("chat_template_kwargs") || chat["chat_template_kwargs"].is_object())
    chat["chat_template_kwargs"]["enable_thinking"] = type == "adaptive";
}

Result<Json> to_chat(const Json& body, bool counting) {
  FieldReader fields(body);
  Json chat = Json::object();
  copy_fields(fields, chat, {"max_tokens"});
  if (!counting && !fields.has("max_tokens"))
    fields.fail("max_tokens", "is missing.", "invalid_type");
  if (const Json* stop = fields.value("stop_sequences")) {
    if (!stop->is_array())
      fields.fail("stop_sequences",
                  fmt::format("must be a list of strings, not {}.", type_name(*stop)),
                  "invalid_type");
    chat["stop"] = *stop;
  }
  if (const Json* metadata = fields.value("metadata")) {
    if (!metadata->is_object())
      fields.fail("metadata", "must be an object.", "invalid_type");
    else if (metadata->contains("user_id"))
      chat["user"] = (*metadata)["user_id"];
  }
  for (const char* name : {"mcp_servers", "container", "context_management"})
    if (const Json* value = fields.value(name); value != nullptr && !value->empty())
      fields.fail(name, "is not supported.", "unsupported_parameter");
  fields.text("service_tier", 64, "");
  copy_tools(fields, chat, function_of);
  read_tool_choice(fields, chat);
  read_format(fields, chat);
  read_thinking(fields, chat);
  if (!fields.ok()) return fields.error();
  Result<Json> messages = messages_of(fields);
  if (!messages.ok()) return messages.error();
  chat["messages"] = std::move(messages).value();
  return chat;
}

Result<Json> to_chat_of_messages(const Json& body) { return to_chat(body, false); }

}  // namespace

const ChatApi kMessagesApi = {"msg_",
                              to_chat_of_messages,
                              make_anthropic_format,
                              {{"stop", "stop_sequences"},
                               {"user", "metadata.user_id"},
                               {"response_format.json_schema", "output_config.format"},
                               {"response_format", "output_config.format"}}};

Result<Json> chat_of_counted_messages(const Json& body) { return to_chat(body, true); }

}  // namespace ember
