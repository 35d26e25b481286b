// SPDX-License-Identifier: Apache-2.0
// docs: OpenAI's Responses API
#include <fmt/format.h>

#include <utility>

#include "api/chat_calls.h"
#include "api/chat_request.h"
#include "api/template_fields.h"
#include "api/text_content.h"

namespace ember {

namespace {

constexpr size_t kMaxItems = 2048, kMaxWordBytes = 32;

// Parts are text whoever said them.
const TextParts kParts = {
    .noun = "parts",
    .types = {"input_text", "output_text", "text"},
    .refusal = "must be of the type input_text or output_text: nothing else is supported."};

// Takes the items of an input one after the other.
class ItemReader {
 public:
  Result<void> add(const Json& item, const std::string& path) {
    if (!item.is_object())
      return wrong(path, fmt::format("must be an object, not {}.", type_name(item)));
    const std::string type = is_text(item, "type") ? item["type"].get<std::string>() : "message";
    if (type == "message") return add_message(item, path);
    if (type == "function_call") return add_call(item, path);
    if (type == "function_call_output") return add_output(item, path);
    if (type == "reasoning") return {};  // what the model thought is not shown to it again
    return wrong(path,
                 "must be of the type message, function_call, function_call_output or reasoning: "
                 "nothing else is supported.",
                 "unsupported_content");
  }

  std::vector<Message> messages;

 private:
  Result<void> add_message(const Json& item, const std::string& path) {
    Message message{.role = is_text(item, "role") ? item["role"].get<std::string>() : "",
                    .content = {}};
    if (message.role != "user" && message.role != "assistant" && message.role != "system" &&
        message.role != "developer")
      return wrong(path + ".role", "must be user, assistant, system or developer.",
                   "invalid_value");
    if (!item.contains("content")) return wrong(path + ".content", "is missing.");
    Result<MessageContent> read = read_text_content(item["content"], path + ".content", kParts);
    if (!read.ok()) return read.error();
    message.content = as_string_if_one(std::move(read).value());
    messages.push_back(std::move(message));
    return {};
  }

  // Calls that follow each other are one message of the assistant.
  Result<void> add_call(const Json& item, const std::string& path) {
    for (const char* name : {"call_id", "name", "arguments"})
      if (!is_text(item, name)) return wrong(path + "." + name, "must be a string.");
    ToolCall call{.id = item["call_id"].get<std::string>(),
                  .name = item["name"].get<std::string>(),
                  .arguments = item["arguments"]};
    if (!is_object_text(item["arguments"].get_ref<const std::string&>()))
      return wrong(path + ".arguments", "must be the JSON text of an object.", "invalid_value");
    if (messages.empty() || messages.back().role != "assistant")
      messages.push_back({.role = "assistant", .content = {}});
    call_ids_.add(call.id);
    messages.back().calls.push_back(std::move(call));
    return {};
  }

  Result<void> add_output(const Json& item, const std::string& path) {
    if (!is_text(item, "call_id")) return wrong(path + ".call_id", "must be a string.");
    if (!item.contains("output")) return wrong(path + ".output", "is missing.");
    Message message{.role = "tool", .content = {}, .call_id = item["call_id"].get<std::string>()};
    Result<MessageContent> read = read_text_content(item["output"], path + ".output", kParts);
    if (!read.ok()) return read.error();
    message.content = as_string_if_one(std::move(read).value());
    if (!call_ids_.may_be_answered(message.call_id))
      return wrong(path + ".call_id", "is of no call in the input before.", "invalid_value");
    messages.push_back(std::move(message));
    return {};
  }

  CallIds call_ids_;
};

Result<std::vector<Message>> read_input(FieldReader& fields) {
  ItemReader reader;
  if (fields.has("instructions"))
    reader.messages.push_back(
        {.role = "system", .content = fields.text("instructions", SIZE_MAX, "")});
  if (!fields.ok()) return fields.error();
  const Json* input = fields.value("input");
  if (input == nullptr || (!input->is_string() && !input->is_array()))
    return wrong("input", "must be a string or a list of items.");
  if (input->is_string()) {
    reader.messages.push_back({.role = "user", .content = input->get<std::string>()});
    return std::move(reader.messages);
  }
  if (input->empty() || input->size() > kMaxItems)
    return wrong("input", fmt::format("must hold 1 to {} items.", kMaxItems), "invalid_value");
  for (size_t i = 0; i < input->size(); ++i)
    if (const Result<void> added = reader.add((*input)[i], fmt::format("input[{}]", i));
        !added.ok())
      return added.error();
  if (reader.messages.empty()) return wrong("input", "holds no message.", "invalid_value");
  return std::move(reader.messages);
}

// The members of these names, but those that are null.
Json picked(const Json& object, std::initializer_list<const char*> names) {
  Json picked = Json::object();
  for (const char* name : names)
    if (object.contains(name) && !object[name].is_null()) picked[name] = object[name];
  return picked;
}

Json to_openai(FieldReader& fields, const Json& tool, const std::string& path) {
  if (type_of(tool) == "function")
    return {{"type", "function"},
            {"function", picked(tool, {"name", "description", "parameters", "strict"})}};
  if (type_of(tool).empty())
    fields.fail(path, "must be an object with a type.", "invalid_type");
  else
    ignore_hosted_tool(fields, tool, path);
  return nullptr;
}

void read_tools_and_choice(FieldReader& fields, ToolParams& tools) {
  tools.parallel = fields.boolean("parallel_tool_calls", true);
  read_tool_list(fields, tools, to_openai, "parameters");
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr || !fields.ok()) return;
  if (type_of(*choice) == "function" && is_text(*choice, "name"))
    choose_function(fields, (*choice)["name"].get<std::string>(), tools);
  else if (choice->is_string())
    choose_by_word(fields, choice->get<std::string>(), tools);
  else
    fields.fail("tool_choice",
                "must be none, auto, required or an object of the type function with a name.");
}

// nullopt: plain text.
Result<std::optional<GrammarSource>> format_source(const Json& format, const std::string& field) {
  const std::string type = format["type"].get<std::string>();
  if (type == "text") return std::optional<GrammarSource>();
  if (type == "json_object") return std::optional(any_object_source());
  if (type != "json_schema") return unknown_format(field);
  Result<GrammarSource> source =
      named_schema_source(picked(format, {"name", "schema", "strict"}), field);
  if (!source.ok()) return source.error();
  return std::optional(std::move(source).value());
}

void read_text_options(FieldReader& fields, GenerationParams& params) {
  const std::string field = "text.format";
  const Json* text = fields.value("text");
  if (text == nullptr) return;
  if (!text->is_object())
    return fields.fail("text", fmt::format("must be an object, not {}.", type_name(*text)),
                       "invalid_type");
  FieldReader inner(*text, "text.");
  if (inner.text("verbosity", kMaxWordBytes, "medium") != "medium")
    fields.list_ignored("text.verbosity");
  if (!inner.ok()) return fields.fail(inner.error());
  if (!text->contains("format") || (*text)["format"].is_null()) return;
  const Json& format = (*text)["format"];
  if (!format.is_object() || !is_text(format, "type"))
    return fields.fail(field, "must be an object with a type.", "invalid_type");
  Result<std::optional<GrammarSource>> source = format_source(format, field);
  if (!source.ok()) return fields.fail(source.error());
  if (source.value()) params.format = OutputFormat{*std::move(source).value(), field};
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
  refuse_fields(fields, {"conversation", "prompt", "moderation"});
  if (fields.integer("top_logprobs", 0, 20, 0) > 0)
    fields.fail("top_logprobs", "is not supported.", "unsupported_parameter");
}

void read_reasoning(FieldReader& fields, ChatRequest& request) {
  const Json* reasoning = fields.value("reasoning");
  if (reasoning == nullptr) return;
  if (!reasoning->is_object())
    return fields.fail("reasoning",
                       fmt::format("must be an object, not {}.", type_name(*reasoning)),
                       "invalid_type");
  FieldReader inner(*reasoning, "reasoning.");
  if (const std::string effort = inner.text("effort", kMaxWordBytes, ""); !effort.empty())
    request.hint("reasoning_effort", effort, "reasoning.effort");
  for (const char* name : {"summary", "generate_summary"}) {
    inner.text(name, kMaxWordBytes, "");
    inner.ignore(name);
  }
  if (!inner.ok()) fields.fail(inner.error());
  for (const std::string& name : inner.ignored()) fields.list_ignored(name);
}

// A text that is too long for the context is refused all the same.
void read_truncation(FieldReader& fields) {
  const std::string truncation = fields.text("truncation", kMaxWordBytes, "disabled");
  if (truncation == "auto")
    fields.list_ignored("truncation");
  else if (truncation != "disabled")
    fields.fail("truncation", "must be auto or disabled.");
}

void ignore_hints(FieldReader& fields) {
  for (const char* name : {"include", "max_tool_calls", "context_management"}) fields.ignore(name);
  ignore_service_hints(fields);
  read_truncation(fields);
  fields.value("stream_options");
  check_annotations(fields);
}

}  // namespace

Result<ChatRequest> parse_responses_request(const Json& body, const ModelInfo& model,
                                            const ParamLimits& limits) {
  FieldReader fields(body);
  ChatRequest request;
  request.messages_field = "input";
  refuse_unsupported(fields);
  ignore_hints(fields);
  read_tools_and_choice(fields, request.tools);
  read_text_options(fields, request.params);
  request.kwargs = read_template_kwargs(fields);
  read_reasoning(fields, request);
  read_stop(fields, "stop", request.params);
  read_max_tokens(fields, "max_output_tokens", 1, request.params);
  read_params(fields, model, limits, request.params);
  if (!fields.ok()) return fields.error();
  Result<std::vector<Message>> messages = read_input(fields);
  if (!messages.ok()) return messages.error();
  request.messages = std::move(messages).value();
  count_fields(fields, request.params);
  return request;
}

}  // namespace ember
