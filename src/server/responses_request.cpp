// docs: OpenAI's Responses API
#include <fmt/format.h>

#include "server/chat_api.h"
#include "server/responses_format.h"

namespace ember {

namespace {

constexpr size_t kMaxItems = 2048, kMaxParts = 1024;

Error wrong(const std::string& path, const std::string& what, const std::string& code = "invalid_type") { return invalid(path, path + " " + what, code); }

bool is_text(const Json& object, const char* name) { return object.contains(name) && object[name].is_string(); }

// A string, or a list of text parts, which are text whoever said them.
Result<Json> text_of(const Json& content, const std::string& path) {
  if (content.is_string()) return content;
  if (!content.is_array()) return wrong(path, fmt::format("must be a string or a list of parts, not {}.", type_name(content)));
  if (content.empty() || content.size() > kMaxParts) return wrong(path, fmt::format("must hold 1 to {} parts.", kMaxParts), "invalid_value");
  Json parts = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string where = fmt::format("{}[{}]", path, i);
    const bool known = part.is_object() && is_text(part, "type") && (part["type"] == "input_text" || part["type"] == "output_text" || part["type"] == "text");
    if (!known) return wrong(where, "must be of the type input_text or output_text: nothing else is supported.", "unsupported_content");
    if (!is_text(part, "text")) return wrong(where + ".text", "must be a string.");
    parts.push_back({{"type", "text"}, {"text", part["text"]}});
  }
  return parts.size() == 1 ? parts[0]["text"] : parts;
}

// Calls that follow each other are one message of the assistant.
void add_call(const Json& item, Json& messages) {
  const Json call = {{"id", item["call_id"]}, {"type", "function"}, {"function", {{"name", item["name"]}, {"arguments", item["arguments"]}}}};
  if (messages.empty() || messages.back()["role"] != "assistant") messages.push_back({{"role", "assistant"}, {"content", nullptr}});
  messages.back()["tool_calls"].push_back(call);
}

Result<void> add_item(const Json& item, const std::string& path, Json& messages) {
  if (!item.is_object()) return wrong(path, fmt::format("must be an object, not {}.", type_name(item)));
  const std::string type = is_text(item, "type") ? item["type"].get<std::string>() : "message";
  if (type == "message") {
    const std::string role = is_text(item, "role") ? item["role"].get<std::string>() : std::string();
    if (role != "user" && role != "assistant" && role != "system" && role != "developer") return wrong(path + ".role", "must be user, assistant, system or developer.", "invalid_value");
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
    messages.push_back({{"role", "tool"}, {"tool_call_id", item["call_id"]}, {"content", text.value()}});
  } else if (type != "reasoning") {  // what the model thought before is not shown to it again
    return wrong(path, "must be of the type message, function_call, function_call_output or reasoning: nothing else is supported.", "unsupported_content");
  }
  return {};
}

Result<Json> messages_of(FieldReader& fields) {
  Json messages = Json::array();
  if (fields.has("instructions")) messages.push_back({{"role", "system"}, {"content", fields.text("instructions", SIZE_MAX, "")}});
  if (!fields.ok()) return fields.error();
  const Json* input = fields.value("input");
  if (input == nullptr || (!input->is_string() && !input->is_array())) return wrong("input", "must be a string or a list of items.");
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
    return messages;
  }
  if (input->empty() || input->size() > kMaxItems) return wrong("input", fmt::format("must hold 1 to {} items.", kMaxItems), "invalid_value");
  for (size_t i = 0; i < input->size(); ++i)
    if (const Result<void> added = add_item((*input)[i], fmt::format("input[{}]", i), messages); !added.ok()) return added.error();
  if (messages.empty()) return wrong("input", "holds no message.", "invalid_value");
  return messages;
}

void read_tools(FieldReader& fields, Json& chat) {
  const Json* tools = fields.value("tools");
  if (tools != nullptr && !tools->is_array()) return fields.fail("tools", fmt::format("must be a list, not {}.", type_name(*tools)), "invalid_type");
  if (tools != nullptr) {
    Json& list = chat["tools"] = Json::array();
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json& tool = (*tools)[i];
      if (!tool.is_object() || !is_text(tool, "type") || tool["type"] != "function")
        return fields.fail(fmt::format("tools[{}]", i), "must be an object of the type function: nothing else is supported.", "unsupported_parameter");
      Json function = Json::object();
      for (const char* name : {"name", "description", "parameters", "strict"})
        if (tool.contains(name) && !tool[name].is_null()) function[name] = tool[name];
      list.push_back({{"type", "function"}, {"function", function}});
    }
  }
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr) return;
  if (choice->is_object() && is_text(*choice, "type") && (*choice)["type"] == "function" && is_text(*choice, "name"))
    chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", (*choice)["name"]}}}};
  else if (choice->is_string()) chat["tool_choice"] = *choice;
  else fields.fail("tool_choice", "must be none, auto, required or an object of the type function with a name.");
}

void read_text(FieldReader& fields, Json& chat) {
  const Json* text = fields.value("text");
  if (text == nullptr) return;
  if (!text->is_object()) return fields.fail("text", fmt::format("must be an object, not {}.", type_name(*text)), "invalid_type");
  if (text->contains("verbosity") && !(*text)["verbosity"].is_null() && (*text)["verbosity"] != "medium") return fields.fail("text.verbosity", "supports only medium.", "unsupported_parameter");
  if (!text->contains("format") || (*text)["format"].is_null()) return;
  const Json& format = (*text)["format"];
  if (!format.is_object() || !is_text(format, "type")) return fields.fail("text.format", "must be an object with a type.", "invalid_type");
  if (format["type"] != "json_schema") {
    chat["response_format"] = {{"type", format["type"]}};
    return;
  }
  Json& schema = chat["response_format"] = {{"type", "json_schema"}, {"json_schema", Json::object()}};
  for (const char* name : {"name", "description", "schema", "strict"})
    if (format.contains(name) && !format[name].is_null()) schema["json_schema"][name] = format[name];
}

// What needs a memory between requests, or somebody else's models.
void refuse_unsupported(FieldReader& fields) {
  if (fields.boolean("store", false)) fields.fail("store", "is not supported: nothing is kept. Send false, or leave it out.", "unsupported_parameter");
  if (fields.boolean("background", false)) fields.fail("background", "is not supported.", "unsupported_parameter");
  if (fields.has("previous_response_id")) fields.fail("previous_response_id", "is not supported, since nothing is kept: send the conversation as input.", "unsupported_parameter");
  for (const char* name : {"conversation", "prompt", "max_tool_calls", "context_management", "moderation"})
    if (fields.has(name)) fields.fail(name, "is not supported.", "unsupported_parameter");
  const std::string truncation = fields.text("truncation", 64, "disabled");
  if (truncation != "disabled") fields.fail("truncation", "supports only disabled.", "unsupported_parameter");
  for (const char* name : {"include", "reasoning"})
    if (const Json* value = fields.value(name); value != nullptr && !value->empty()) fields.fail(name, "is not supported.", "unsupported_parameter");
  if (fields.integer("top_logprobs", 0, 20, 0) > 0) fields.fail("top_logprobs", "is not supported.", "unsupported_parameter");
  for (const char* name : {"service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}) fields.text(name, 1024, "");
  fields.value("stream_options");
}

Result<Json> to_chat(const Json& body) {
  FieldReader fields(body);
  Json chat = Json::object();
  // The same in both, and some of ours that the Responses API has not.
  for (const char* name : {"model", "temperature", "top_p", "stream", "user", "metadata", "parallel_tool_calls", "seed", "top_k", "min_p", "presence_penalty", "frequency_penalty",
                           "repetition_penalty", "logit_bias", "stop", "stop_token_ids", "ignore_eos", "min_tokens", "priority", "cache_salt", "timeout", "chat_template_kwargs"})
    if (const Json* value = fields.value(name)) chat[name] = *value;
  if (const Json* value = fields.value("max_output_tokens")) chat["max_completion_tokens"] = *value;
  if (chat.value("stream", Json()) == true) chat["stream_options"] = {{"include_usage", true}, {"continuous_usage_stats", true}};
  refuse_unsupported(fields);
  read_tools(fields, chat);
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
