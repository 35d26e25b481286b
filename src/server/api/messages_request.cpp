// SPDX-License-Identifier: Apache-2.0
// docs: Anthropic's Messages API
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/chat_request.h"
#include "api/template_fields.h"
#include "api/text_content.h"

namespace ember {

namespace {

constexpr size_t kMaxMessages = 2048, kMaxBlocks = 1024, kMaxEffortBytes = 32;

// Where only text may stand.
const TextParts kTextBlocks = {
    .noun = "blocks",
    .min_parts = 0,
    .types = {"text"},
    .refusal = "must be of the type text: nothing else is supported here."};

// Takes the messages of a request one after the other.
class MessageReader {
 public:
  Result<void> add(const Json& json, const std::string& path) {
    if (!json.is_object())
      return wrong(path, fmt::format("must be an object, not {}.", type_name(json)));
    const std::string role = is_text(json, "role") ? json["role"].get<std::string>() : "";
    if (role != "user" && role != "assistant" && role != "system")
      return wrong(path + ".role", "must be user, assistant or system.", "invalid_value");
    if (!json.contains("content")) return wrong(path + ".content", "is missing.");
    const Json& content = json["content"];
    if (role == "system") return add_system(content, path + ".content");
    if (content.is_array()) return add_blocks(content, role, path + ".content");
    if (!content.is_string())
      return wrong(path + ".content", fmt::format("must be a string or a list of blocks, not {}.",
                                                  type_name(content)));
    messages.push_back({.role = role, .content = content.get<std::string>()});
    return {};
  }

  // `content` is a text, or blocks of it.
  Result<void> add_system(const Json& content, const std::string& path) {
    Result<MessageContent> read = read_text_content(content, path, kTextBlocks);
    if (!read.ok()) return read.error();
    messages.push_back({.role = "system", .content = as_string_if_one(std::move(read).value())});
    return {};
  }

  std::vector<Message> messages;

 private:
  // Results of tools become messages of their own, before the rest.
  Result<void> add_blocks(const Json& blocks, const std::string& role, const std::string& path) {
    if (blocks.empty() || blocks.size() > kMaxBlocks)
      return wrong(path, fmt::format("must hold 1 to {} blocks.", kMaxBlocks), "invalid_value");
    Message own{.role = role, .content = {}};
    std::vector<std::string> texts;
    for (size_t i = 0; i < blocks.size(); ++i)
      if (const Result<void> added =
              add_block(blocks[i], fmt::format("{}[{}]", path, i), own, texts);
          !added.ok())
        return added;
    if (texts.empty() && own.calls.empty() && own.others.empty()) return {};
    if (!texts.empty() || own.calls.empty()) own.content = as_string_if_one(std::move(texts));
    messages.push_back(std::move(own));
    return {};
  }

  Result<void> add_block(const Json& block, const std::string& path, Message& own,
                         std::vector<std::string>& texts) {
    const bool assistant = own.role == "assistant";
    const std::string type = type_of(block);
    if (!block.is_object())
      return wrong(path, fmt::format("must be an object, not {}.", type_name(block)));
    if (type == "text") {
      if (!is_text(block, "text")) return wrong(path + ".text", "must be a string.");
      texts.push_back(block["text"].get<std::string>());
    } else if (type == "tool_use" && assistant) {
      return add_call(block, path, own);
    } else if (type == "tool_result" && !assistant) {
      return add_result(block, path);
    } else if (type == "thinking" && assistant) {
      if (!is_text(block, "thinking")) return wrong(path + ".thinking", "must be a string.");
      Json& reasoning = own.others["reasoning_content"];
      if (reasoning.is_null()) reasoning = "";
      reasoning.get_ref<std::string&>() += block["thinking"].get_ref<const std::string&>();
    } else if (type != "redacted_thinking" || !assistant) {
      return wrong(path,
                   fmt::format("must be of the type text{}: nothing else is supported.",
                               assistant ? ", tool_use or thinking" : " or tool_result"),
                   "unsupported_content");
    }
    return {};
  }

  Result<void> add_call(const Json& block, const std::string& path, Message& own) {
    if (!is_text(block, "id") || !is_text(block, "name"))
      return wrong(path, "must have an id and a name.");
    if (!block.contains("input") || !block["input"].is_object())
      return wrong(path + ".input", "must be an object.");
    own.calls.push_back({.id = block["id"].get<std::string>(),
                         .name = block["name"].get<std::string>(),
                         .arguments = block["input"].dump()});
    call_ids_.add(own.calls.back().id);
    return {};
  }

  Result<void> add_result(const Json& block, const std::string& path) {
    if (!is_text(block, "tool_use_id")) return wrong(path + ".tool_use_id", "must be a string.");
    Message result{.role = "tool",
                   .content = std::string(),
                   .call_id = block["tool_use_id"].get<std::string>()};
    if (!call_ids_.may_be_answered(result.call_id))
      return wrong(path + ".tool_use_id", "is of no call in the messages before.", "invalid_value");
    if (block.contains("content") && !block["content"].is_null()) {
      Result<MessageContent> read =
          read_text_content(block["content"], path + ".content", kTextBlocks);
      if (!read.ok()) return read.error();
      result.content = as_string_if_one(std::move(read).value());
    }
    messages.push_back(std::move(result));
    return {};
  }

  CallIds call_ids_;
};

Result<std::vector<Message>> read_messages(FieldReader& fields) {
  MessageReader reader;
  if (const Json* system = fields.value("system"))
    if (const Result<void> added = reader.add_system(*system, "system"); !added.ok())
      return added.error();
  const Json* messages = fields.value("messages");
  if (messages == nullptr || !messages->is_array())
    return wrong("messages", "must be a list of objects.");
  for (size_t i = 0; i < messages->size() && i < kMaxMessages; ++i)
    if (const Result<void> added = reader.add((*messages)[i], fmt::format("messages[{}]", i));
        !added.ok())
      return added.error();
  if (messages->empty() || messages->size() > kMaxMessages || reader.messages.empty())
    return wrong("messages", fmt::format("must hold 1 to {} messages.", kMaxMessages),
                 "invalid_value");
  return std::move(reader.messages);
}

// A tool of Anthropic's own has a type with a date: web_search_20250305.
bool is_hosted(const std::string& type) {
  constexpr size_t kDate = 8;
  if (type == "mcp_toolset") return true;
  return type.size() > kDate + 1 && type[type.size() - kDate - 1] == '_' &&
         type.find_first_not_of("0123456789", type.size() - kDate) == std::string::npos;
}

Json to_openai(FieldReader& fields, const Json& tool, const std::string& path) {
  if (is_hosted(type_of(tool))) {
    ignore_hosted_tool(fields, tool, path);
    return nullptr;
  }
  if (!tool.is_object())
    fields.fail(path, "must be an object.", "invalid_type");
  else if (tool.contains("type") && !tool["type"].is_null() && tool["type"] != "custom")
    fields.fail(path + ".type", "must be custom, or the type of a tool of Anthropic's own.",
                "unsupported_parameter");
  else if (!tool.contains("input_schema") || !tool["input_schema"].is_object())
    fields.fail(path + ".input_schema", "must be an object.", "invalid_type");
  if (!fields.ok()) return nullptr;
  Json function = {{"name", tool.value("name", Json())}, {"parameters", tool["input_schema"]}};
  if (is_text(tool, "description")) function["description"] = tool["description"];
  if (tool.contains("strict") && tool["strict"].is_boolean()) function["strict"] = tool["strict"];
  return {{"type", "function"}, {"function", std::move(function)}};
}

void read_tool_choice(FieldReader& fields, ToolParams& tools) {
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr || !fields.ok()) return;
  const std::string type = type_of(*choice);
  if (type == "auto" || type == "none" || type == "any")
    choose_by_word(fields, type == "any" ? "required" : type, tools);
  else if (type == "tool" && is_text(*choice, "name"))
    choose_function(fields, (*choice)["name"].get<std::string>(), tools);
  else
    return fields.fail("tool_choice",
                       "must be an object of the type auto, any, none or tool (with a name).");
  FieldReader inner(*choice, "tool_choice.");
  tools.parallel = !inner.boolean("disable_parallel_tool_use", false);
  if (!inner.ok()) fields.fail("tool_choice", inner.error().message, inner.error().code);
}

// In output_config, or where its beta had it.
std::optional<OutputFormat> read_format(FieldReader& fields, ChatRequest& request) {
  const std::string field = "output_config.format";
  const Json* config = fields.value("output_config");
  const Json* format = fields.value("output_format");
  std::string given = "output_format";
  if (config != nullptr && !config->is_object()) {
    fields.fail("output_config", "must be an object.", "invalid_type");
    return std::nullopt;
  }
  if (config != nullptr) {
    FieldReader inner(*config, "output_config.");
    if (const std::string effort = inner.text("effort", kMaxEffortBytes, ""); !effort.empty())
      request.hint("reasoning_effort", effort, "output_config.effort");
    if (!inner.ok()) fields.fail(inner.error());
    if (inner.has("format")) {
      format = inner.value("format");
      given = field;
    }
  }
  if (format == nullptr || !fields.ok()) return std::nullopt;
  if (type_of(*format) != "json_schema" || !format->contains("schema")) {
    fields.fail(given, "must be an object of the type json_schema with a schema.");
    return std::nullopt;
  }
  Result<GrammarSource> source = schema_source((*format)["schema"], field + ".schema");
  if (source.ok()) return OutputFormat{std::move(source).value(), field};
  fields.fail(source.error());
  return std::nullopt;
}

// Whether the model thinks first is a matter of its template; for how long, nobody can tell it.
void read_thinking(FieldReader& fields, ChatRequest& request) {
  const Json* thinking = fields.value("thinking");
  if (thinking == nullptr) return;
  const std::string type = type_of(*thinking);
  if (type != "enabled" && type != "adaptive" && type != "disabled")
    return fields.fail("thinking", "must be an object of the type enabled, adaptive or disabled.");
  request.hint("thinking", type != "disabled", "thinking");  // two names are common
  request.kwargs.emplace("enable_thinking", type != "disabled");
  FieldReader inner(*thinking, "thinking.");
  inner.integer("budget_tokens", 0, INT32_MAX, 0);
  if (!inner.ok()) fields.fail(inner.error());
  if (inner.has("budget_tokens")) fields.list_ignored("thinking.budget_tokens");
}

void read_stop_sequences(FieldReader& fields, GenerationParams& params) {
  const Json* stop = fields.value("stop_sequences");
  if (stop != nullptr && !stop->is_array())
    return fields.fail("stop_sequences",
                       fmt::format("must be a list of strings, not {}.", type_name(*stop)),
                       "invalid_type");
  read_stop(fields, "stop_sequences", params);
}

// The assistant's last words, which the answer goes on with.
bool can_be_continued(const Message& last) {
  if (last.role != "assistant" || !last.calls.empty()) return false;
  const auto has_text = [](const std::string& text) {
    return text.find_first_not_of(" \t\r\n") != std::string::npos;
  };
  if (const auto* text = std::get_if<std::string>(&last.content)) return has_text(*text);
  const auto* texts = std::get_if<std::vector<std::string>>(&last.content);
  return texts != nullptr && std::any_of(texts->begin(), texts->end(), has_text);
}

// Checked, and not used.
void check_metadata(FieldReader& fields) {
  const Json* metadata = fields.value("metadata");
  if (metadata == nullptr) return;
  if (!metadata->is_object()) return fields.fail("metadata", "must be an object.", "invalid_type");
  FieldReader inner(*metadata, "metadata.");
  inner.text("user_id", 1024, "");
  if (!inner.ok()) fields.fail(inner.error());
}

}  // namespace

Result<ChatRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                           const ParamLimits& limits, bool counting) {
  FieldReader fields(body);
  ChatRequest request;
  GenerationParams& params = request.params;
  if (!counting && !fields.has("max_tokens"))
    fields.fail("max_tokens", "is missing.", "invalid_type");
  read_stop_sequences(fields, params);
  check_metadata(fields);
  fields.text("service_tier", 64, "");
  for (const char* name : {"service_tier", "mcp_servers", "container", "context_management"})
    fields.ignore(name);
  read_tool_list(fields, request.tools, to_openai, "input_schema");
  read_tool_choice(fields, request.tools);
  request.kwargs = read_template_kwargs(fields);
  params.format = read_format(fields, request);
  read_thinking(fields, request);
  read_max_tokens(fields, "max_tokens", 1, params);
  read_params(fields, model, limits, params);
  if (!fields.ok()) return fields.error();
  Result<std::vector<Message>> messages = read_messages(fields);
  if (!messages.ok()) return messages.error();
  request.messages = std::move(messages).value();
  if (can_be_continued(request.messages.back())) {
    request.continue_final_message = true;
    request.continue_field = "messages";
  }
  count_fields(fields, params);
  return request;
}

}  // namespace ember
