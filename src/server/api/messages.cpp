// SPDX-License-Identifier: Apache-2.0
#include "api/messages.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember {

namespace {

constexpr size_t kMaxMessages = 2048, kMaxParts = 1024, kMaxCalls = 128, kMaxDocuments = 1024,
                 kMaxKwargs = 64, kMaxEffortBytes = 32;

// A string, or text parts; nothing else is looked at, let alone fetched.
Result<void> check_content(const Json& content, const std::string& path) {
  if (content.is_string()) return {};
  if (!content.is_array())
    return invalid(
        path,
        fmt::format("{} must be a string or a list of parts, not {}.", path, type_name(content)),
        "invalid_type");
  if (content.empty() || content.size() > kMaxParts)
    return invalid(path, fmt::format("{} must hold 1 to {} parts.", path, kMaxParts));
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string where = fmt::format("{}[{}]", path, i);
    if (!part.is_object()) return invalid(where, where + " must be an object.", "invalid_type");
    const auto type = part.find("type");
    if (type == part.end() || !type->is_string() || *type != "text")
      return invalid(where, where + " must be of the type text: no other content is supported.",
                     "unsupported_content");
    const auto piece = part.find("text");
    if (piece == part.end() || !piece->is_string())
      return invalid(where + ".text", where + ".text must be a string.", "invalid_type");
  }
  return {};
}

bool is_object_text(const Json& arguments) {
  if (arguments.is_object()) return true;
  if (!arguments.is_string()) return false;
  const auto& text = arguments.get_ref<const std::string&>();
  if (text.empty()) return true;  // what some clients send for no arguments
  const Result<Json> object = parse_body(text);
  return object.ok();
}

Result<void> check_calls(const Json& calls, const std::string& path) {
  if (!calls.is_array())
    return invalid(path, fmt::format("{} must be a list, not {}.", path, type_name(calls)),
                   "invalid_type");
  if (calls.size() > kMaxCalls)
    return invalid(path, fmt::format("{} must hold at most {} calls.", path, kMaxCalls));
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", path, i);
    const Json& call = calls[i];
    const bool has_function =
        call.is_object() && call.contains("function") && call["function"].is_object();
    if (!has_function)
      return invalid(where, where + " must hold an object \"function\".", "invalid_type");
    const Json& function = call["function"];
    if (!function.contains("name") || !function["name"].is_string())
      return invalid(where + ".function.name", where + ".function.name must be a string.",
                     "invalid_type");
    if (function.contains("arguments") && !is_object_text(function["arguments"]))
      return invalid(where + ".function.arguments",
                     where + ".function.arguments must be the JSON text of an object.");
  }
  return {};
}

Result<Json> parse_message(const Json& message, const std::string& path) {
  static constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant", "tool"};
  if (!message.is_object())
    return invalid(path, fmt::format("{} must be an object, not {}.", path, type_name(message)),
                   "invalid_type");
  const auto role = message.find("role");
  const bool known = role != message.end() && role->is_string() &&
                     std::find(std::begin(kRoles), std::end(kRoles),
                               role->get_ref<const std::string&>()) != std::end(kRoles);
  if (!known)
    return invalid(path + ".role",
                   path + ".role must be system, developer, user, assistant or tool.");
  if (*role == "tool" &&
      (!message.contains("tool_call_id") || !message["tool_call_id"].is_string()))
    return invalid(path + ".tool_call_id", path + ".tool_call_id must be a string.",
                   "invalid_type");
  Json result = message;
  const auto calls = message.find("tool_calls");
  if (calls != message.end() && calls->is_null())
    result.erase("tool_calls");  // as some clients write none
  const bool has_calls = *role == "assistant" && result.contains("tool_calls");
  if (has_calls)
    if (const Result<void> good = check_calls(*calls, path + ".tool_calls"); !good.ok())
      return good.error();
  const auto content = message.find("content");
  const bool absent = content == message.end() || content->is_null();
  if (absent && !(has_calls && !calls->empty()))
    return invalid(path + ".content", path + ".content is missing.", "invalid_type");
  if (absent) return result;
  if (const Result<void> good = check_content(*content, path + ".content"); !good.ok())
    return good.error();
  return result;
}

// A tool's answer belongs to a call that came before it, where the calls have ids at all.
Result<void> check_call_ids(const Json& messages) {
  std::vector<std::string> known;
  bool any_calls = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    for (const Json& call : message.value("tool_calls", Json::array())) {
      any_calls = true;
      if (call.contains("id") && call["id"].is_string())
        known.push_back(call["id"].get<std::string>());
    }
    if (message["role"] != "tool" || !any_calls || known.empty()) continue;
    if (std::find(known.begin(), known.end(),
                  message["tool_call_id"].get_ref<const std::string&>()) == known.end())
      return invalid(
          fmt::format("messages[{}].tool_call_id", i),
          fmt::format("messages[{}].tool_call_id is of no call in the messages before.", i));
  }
  return {};
}

Json read_documents(FieldReader& fields) {
  const Json* documents = fields.value("documents");
  if (documents == nullptr) return nullptr;
  const auto is_document = [](const Json& document) {
    return document.is_object() && !document.empty() &&
           std::all_of(document.begin(), document.end(),
                       [](const Json& value) { return value.is_string(); });
  };
  if (!documents->is_array())
    fields.fail("documents", fmt::format("must be a list, not {}.", type_name(*documents)),
                "invalid_type");
  else if (documents->empty() || documents->size() > kMaxDocuments)
    fields.fail("documents", fmt::format("must hold 1 to {} documents.", kMaxDocuments));
  else if (!std::all_of(documents->begin(), documents->end(), is_document))
    fields.fail("documents", "must hold objects of strings, e.g. title and text.", "invalid_type");
  return *documents;
}

Json read_template_kwargs(FieldReader& fields) {
  const Json* kwargs = fields.value("chat_template_kwargs");
  if (kwargs == nullptr) return Json::object();
  static constexpr std::string_view kReserved[] = {"messages",
                                                   "tools",
                                                   "documents",
                                                   "add_generation_prompt",
                                                   "continue_final_message",
                                                   "tokenize",
                                                   "chat_template",
                                                   "bos_token",
                                                   "eos_token",
                                                   "return_dict",
                                                   "return_tensors"};
  if (!kwargs->is_object() || kwargs->size() > kMaxKwargs) {
    fields.fail("chat_template_kwargs",
                fmt::format("must be an object of at most {} scalars.", kMaxKwargs),
                "invalid_type");
    return Json::object();
  }
  for (const auto& [key, value] : kwargs->items())
    if (value.is_structured() ||
        std::find(std::begin(kReserved), std::end(kReserved), key) != std::end(kReserved))
      fields.fail("chat_template_kwargs",
                  "must hold scalars only, and none of the server's own variables.",
                  "unsupported_parameter");
  return *kwargs;
}

}  // namespace

Result<Json> parse_messages(FieldReader& fields) {
  const Json* messages = fields.value("messages");
  if (messages == nullptr || !messages->is_array())
    return invalid("messages", "messages must be a list of objects.", "invalid_type");
  if (messages->empty() || messages->size() > kMaxMessages)
    return invalid("messages", fmt::format("messages must hold 1 to {} messages.", kMaxMessages));
  Json list = Json::array();
  for (size_t i = 0; i < messages->size(); ++i) {
    Result<Json> message = parse_message((*messages)[i], fmt::format("messages[{}]", i));
    if (!message.ok()) return message.error();
    list.push_back(std::move(message).value());
  }
  if (const Result<void> ids = check_call_ids(list); !ids.ok()) return ids.error();
  return list;
}

Result<ChatInput> parse_chat_input(FieldReader& fields) {
  ChatInput input;
  input.add_generation_prompt = fields.boolean("add_generation_prompt", true);
  input.continue_final_message = fields.boolean("continue_final_message", false);
  if (input.continue_final_message && fields.has("add_generation_prompt") &&
      input.add_generation_prompt)
    fields.fail("continue_final_message", "and add_generation_prompt exclude each other.");
  input.kwargs = read_template_kwargs(fields);
  const std::string effort = fields.text("reasoning_effort", kMaxEffortBytes, "");
  if (!effort.empty() && !input.kwargs.contains("reasoning_effort"))
    input.kwargs["reasoning_effort"] = effort;
  input.documents = read_documents(fields);
  if (!fields.ok()) return fields.error();
  Result<Json> messages = parse_messages(fields);
  if (!messages.ok()) return messages.error();
  input.messages = std::move(messages).value();
  return input;
}

}  // namespace ember
