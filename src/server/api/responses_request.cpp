// SPDX-License-Identifier: Apache-2.0
// docs: OpenAI's Responses API
#include <fmt/format.h>

#include "api/chat_api.h"
#include "api/chat_request.h"
#include "api/responses_format.h"

namespace ember {

namespace {

constexpr size_t kMaxItems = 2048, kMaxParts = 1024;

// A string, or a list of text parts, which are text whoever said them.
Result<Json> text_of(const Json& content, const std::string& path) {
  if (content.is_string()) return content;
  if (!content.is_array())
    return wrong(path,
                 fmt::format("must be a string or a list of parts, not {}.", type_name(content)));
  if (content.empty() || content.size() > kMaxParts)
    return wrong(path, fmt::format("must hold 1 to {} parts.", kMaxParts), "invalid_value");
  Json parts = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string where = fmt::format("{}[{}]", path, i);
    const std::string type = type_of(part);
    if (type != "input_text" && type != "output_text" && type != "text")
      return wrong(where,
                   "must be of the type input_text or output_text: nothing else is supported.",
                   "unsupported_content");
    if (!is_text(part, "text")) return wrong(where + ".text", "must be a string.");
    parts.push_back({{"type", "text"}, {"text", part["text"]}});
  }
  return parts.size() == 1 ? parts[0]["text"] : parts;
}

// Calls that follow each other are one message of the assistant.
void add_call(const Json& item, Json& messages) {
  const Json call = {{"id", item["call_id"]},
                     {"type", "function"},
                     {"function", {{"name", item["name"]}, {"arguments", item["arguments"]}}}};
  if (messages.empty() || messages.back()["role"] != "assistant")
    messages.push_back({{"role", "assistant"}, {"content", nullptr}});
  messages.back()["tool_calls"].push_back(call);
}

Result<void> add_item(const Json& item, const std::string& path, Json& messages) {
  if (!item.is_object())
    return wrong(path, fmt::format("must be an object, not {}.", type_name(item)));
  const std::string type = is_text(item, "type") ? item["type"].get<std::string>() : "message";
  if (type == "message") {
    const std::string role =
        is_text(item, "role") ? item["role"].get<std::string>() : std::string();
    if (role != "user" && role != "assistant" && role != "system" && role != "developer")
      return wrong(path + ".role", "must be user, assistant, system or developer.",
                   "invalid_value");
    if (!item.contains("content")) return wrong(path + ".content", "is missing.");
    const Result<Json> text = text_of(item["content"], path + ".content");
    if (!text.ok()) return text.error();
    messages.push_back({{"role", role}, {"content", text.value()}});
  } else if (type == "function_call") {
    for (const char* name : {"call_id", "name", "arguments"})
      if (!is_text(item, name)) return wrong(path + "." + name, "must be a string.");
    add_call(item, messages);
  } else if (type == "function_call_output") {
    if (!is_text(item, "call_id")) return wrong(path + ".call_id", "must be a string.");
    if (!item.contains("output")) return wrong(path + ".output", "is missing.");
    const Result<Json> text = text_of(item["output"], path + ".output");
    if (!text.ok()) return text.error();
    messages.push_back(
        {{"role", "tool"}, {"tool_call_id", item["call_id"]}, {"content", text.value()}});
  } else if (type != "reasoning") {  // what the model thought before is not shown to it again
    return wrong(path,
                 "must be of the type message, function_call, function_call_output or reasoning: "
                 "nothing else is supported.",
                 "unsupported_content");
  }
  return {};
}

Result<Json> messages_of(FieldReader& fields) {
  Json messages = Json::array();
  if (fields.has("instructions"))
    messages.push_back(
        {{"role", "system"}, {"content", fields.text("instructions", SIZE_MAX, "")}});
  if (!fields.ok()) return fields.error();
  const Json* input = fields.value("input");
  if (input == nullptr || (!input->is_string() && !input->is_array()))
    return wrong("input", "must be a string or a list of items.");
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
    return messages;
  }
  if (input->empty() || input->size() > kMaxItems)
    return wrong("input", fmt::format("must hold 1 to {} items.", kMaxItems), "invalid_value");
  for (size_t i = 0; i < input->size(); ++i)
    if (const Result<void> added = add_item((*input)[i], fmt::format("input[{}]", i), messages);
        !added.ok())
      return added.error();
  if (messages.empty()) return wrong("input", "holds no message.", "invalid_value");
  return messages;
}

// The members of these names, but those that are null.
Json picked(const Json& object, std::initializer_list<const char*> names) {
  Json picked = Json::object();
  for (const char* name : names)
    if (object.contains(name) && !object[name].is_null()) picked[name] = object[name];
  return picked;
}

Json function_of(FieldReader& fields, const Json& tool, const std::string& path) {
  if (type_of(tool) == "function")
    return picked(tool, {"name", "description", "parameters", "strict"});
  fields.fail(path, "must be an object of the type function: nothing else is supported.",
              "unsupported_parameter");
  return nullptr;
}

void read_tool_choice(FieldReader& fields, Json& chat) {
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr) return;
  if (type_of(*choice) == "function" && is_text(*choice, "name"))
    chat["tool_choice"] = named_choice((*choice)["name"]);
  else if (choice->is_string())
    chat["tool_choice"] = *choice;
  else
    fields.fail("tool_choice",
                "must be none, auto, required or an object of the type function with a name.");
}

void read_text(FieldReader& fields, Json& chat) {
  const Json* text = fields.value("text");
  if (text == nullptr) return;
  if (!text->is_object())
    return fields.fail("text", fmt::format("must be an object, not {}.", type_name(*text)),
                       "invalid_type");
  if (text->contains("verbosity") && !(*text)["verbosity"].is_null() &&
      (*text)["verbosity"] != "medium")
    return fields.fail("text.verbosity", "supports only medium.", "unsupported_parameter");
  if (!text->contains("format") || (*text)["format"].is_null()) return;
  const Json& format = (*text)["format"];
  if (!format.is_object() || !is_text(format, "type"))
    return fields.fail("text.format", "must be an object with a type.", "invalid_type");
  if (format["type"] != "json_schema")
    chat["response_format"] = {{"type", format["type"]}};
  else
    chat["response_format"] =
        schema_format(picked(format, {"name", "description", "schema", "strict"}));
}

// What needs a memory between requests, or somebody else's models.
void refuse_unsupported(FieldReader& fields) {
  if (fields.boolean("store", false))
    fields.fail("store", "is not supported: nothing is kept. Send false, or leave it out.",
                "unsupported_parameter");
  if (fields.boolean("background", false))
    fields.fail("background", "is not supported.", "unsupported_parameter");
  if (fields.has("previous_response_id"))
    fields.fail("previous_response_id",
                "is not supported, since nothing is kept: send the conversation as input.",
                "unsupported_parameter");
  for (const char* name :
       {"conversation", "prompt", "max_tool_calls", "context_management", "moderation"})
    if (fields.has(name)) fields.fail(name, "is not supported.", "unsupported_parameter");
  const std::string truncation = fields.text("truncation", 64, "disabled");
  if (truncation != "disabled")
    fields.fail("truncation", "supports only disabled.", "unsupported_parameter");
  for (const char* name : {"include", "reasoning"})
    if (const Json* value = fields.value(name); value != nullptr && !value->empty())
      fields.fail(name, "is not supported.", "unsupported_parameter");
  if (fields.integer("top_logprobs", 0, 20, 0) > 0)
    fields.fail("top_logprobs", "is not supported.", "unsupported_parameter");
  for (const char* name :
       {"service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"})
    fields.text(name, 1024, "");
  fields.value("stream_options");
}

Result<Json> to_chat(const Json& body) {
  FieldReader fields(body);
  Json chat = Json::object();
  copy_fields(fields, chat, {"user", "metadata", "parallel_tool_calls", "stop"});
  if (const Json* value = fields.value("max_output_tokens")) chat["max_completion_tokens"] = *value;
  refuse_unsupported(fields);
  copy_tools(fields, chat, function_of);
  read_tool_choice(fields, chat);
  read_text(fields, chat);
  if (!fields.ok()) return fields.error();
  Result<Json> messages = messages_of(fields);
  if (!messages.ok()) return messages.error();
  chat["messages"] = std::move(messages).value();
  return chat;
}

}  // namespace

const ChatApi kResponsesApi = {"resp_",
                               to_chat,
                               make_responses_format,
                               {{"max_completion_tokens", "max_output_tokens"},
                                {"messages", "input"},
                                {"response_format.json_schema", "text.format"},
                                {"response_format", "text.format"}}};

}  // namespace ember
