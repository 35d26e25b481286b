// SPDX-License-Identifier: Apache-2.0
// docs: Anthropic's Messages API
#include <fmt/format.h>

#include <utility>

#include "api/chat_request.h"
#include "api/text_content.h"

namespace ember {

namespace {

constexpr size_t kMaxMessages = 2048, kMaxBlocks = 1024;

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
    if (role != "user" && role != "assistant")
      return wrong(path + ".role", "must be user or assistant.", "invalid_value");
    if (!json.contains("content")) return wrong(path + ".content", "is missing.");
    const Json& content = json["content"];
    if (content.is_array()) return add_blocks(content, role, path + ".content");
    if (!content.is_string())
      return wrong(path + ".content", fmt::format("must be a string or a list of blocks, not {}.",
                                                  type_name(content)));
    messages.push_back({.role = role, .content = content.get<std::string>()});
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
  if (const Json* system = fields.value("system")) {
    Result<MessageContent> read = read_text_content(*system, "system", kTextBlocks);
    if (!read.ok()) return read.error();
    reader.messages.push_back(
        {.role = "system", .content = as_string_if_one(std::move(read).value())});
  }
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

Json to_openai(FieldReader& fields, const Json& tool, const std::string& path) {
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
std::optional<OutputFormat> read_format(FieldReader& fields) {
  const std::string field = "output_config.format";
  const Json* config = fields.value("output_config");
  const Json* format = fields.value("output_format");
  std::string given = "output_format";
  if (config != nullptr && !config->is_object()) {
    fields.fail("output_config", "must be an object.", "invalid_type");
    return std::nullopt;
  }
  if (config != nullptr) {
    FieldReader inner(*config);
    if (inner.has("effort"))
      fields.fail("output_config.effort", "is not supported.", "unsupported_parameter");
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

// Whether the model thinks first is a matter of its template; how long is not ours to say.
void read_thinking(FieldReader& fields, Json& kwargs) {
  const Json* thinking = fields.value("thinking");
  if (thinking == nullptr) return;
  const std::string type = type_of(*thinking);
  if (type == "enabled")
    return fields.fail("thinking",
                       "supports only the types adaptive and disabled: a budget cannot be kept.",
                       "unsupported_parameter");
  if (type != "adaptive" && type != "disabled")
    return fields.fail("thinking", "must be an object of the type adaptive or disabled.");
  kwargs["enable_thinking"] = type == "adaptive";
}

void read_stop_sequences(FieldReader& fields, GenerationParams& params) {
  const Json* stop = fields.value("stop_sequences");
  if (stop != nullptr && !stop->is_array())
    return fields.fail("stop_sequences",
                       fmt::format("must be a list of strings, not {}.", type_name(*stop)),
                       "invalid_type");
  read_stop(fields, "stop_sequences", params);
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
  for (const char* name : {"mcp_servers", "container", "context_management"})
    if (const Json* value = fields.value(name); value != nullptr && !value->empty())
      fields.fail(name, "is not supported.", "unsupported_parameter");
  fields.text("service_tier", 64, "");
  read_tool_list(fields, request.tools, to_openai, "input_schema");
  read_tool_choice(fields, request.tools);
  params.format = read_format(fields);
  request.kwargs = read_template_kwargs(fields);
  read_thinking(fields, request.kwargs);
  read_max_tokens(fields, "max_tokens", 1, params);
  read_params(fields, model, limits, params);
  if (!fields.ok()) return fields.error();
  Result<std::vector<Message>> messages = read_messages(fields);
  if (!messages.ok()) return messages.error();
  request.messages = std::move(messages).value();
  return request;
}

}  // namespace ember
