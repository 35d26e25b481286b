// SPDX-License-Identifier: Apache-2.0
#include "template_traits.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

bool contains(const Result<std::string>& rendered, const std::string& text) {
  return rendered.ok() && rendered.value().find(text) != std::string::npos;
}

Json text_parts(const std::string& text) {
  return Json::array({{{"type", "text"}, {"text", text}}});
}

Json chat_with_call(const Json& content, const Json& arguments) {
  const Json call = {{"id", "abcdefghi"},
                     {"type", "function"},
                     {"function", {{"name", "probe_tool"}, {"arguments", arguments}}}};
  return Json::array(
      {{{"role", "user"}, {"content", "hi"}},
       {{"role", "assistant"}, {"content", content}, {"tool_calls", Json::array({call})}},
       {{"role", "tool"},
        {"name", "probe_tool"},
        {"tool_call_id", "abcdefghi"},
        {"content", "5"}}});
}

std::string joined_text(const Json& parts) {
  std::string text;
  for (const Json& part : parts)
    if (part.is_object() && part.contains("text") && part["text"].is_string())
      text += (text.empty() ? "" : "\n") + part["text"].get<std::string>();
  return text;
}

void adapt_content(Json& message, const TemplateTraits& traits) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    if (traits.no_content == TemplateTraits::NoContent::kAbsent)
      message.erase("content");
    else
      message["content"] =
          traits.no_content == TemplateTraits::NoContent::kNull ? Json(nullptr) : Json("");
  } else if (content->is_array() && !traits.list_content) {
    *content = joined_text(*content);
  } else if (content->is_string() && !traits.string_content) {
    *content = text_parts(content->get<std::string>());
  }
}

void alias_reasoning(Json& message) {
  static constexpr const char* kNames[] = {"reasoning_content", "thinking", "reasoning"};
  for (const char* name : kNames) {
    if (!message.contains(name)) continue;
    const Json reasoning = message[name];
    Json named = {{"thinking", reasoning}};
    for (const auto& [key, value] : message.items()) named[key] = value;
    named["reasoning_content"] = reasoning;
    message = std::move(named);
    return;
  }
}

void adapt_arguments(Json& message, const TemplateTraits& traits) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array()) return;
  for (Json& call : *calls) {
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object() ||
        !call["function"].contains("arguments"))
      continue;
    Json& arguments = call["function"]["arguments"];
    if (traits.argument_objects && arguments.is_string()) {
      const std::string text = arguments.get<std::string>();
      Json object = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
      if (!object.is_discarded()) arguments = std::move(object);
    } else if (!traits.argument_objects && !arguments.is_string()) {
      arguments = arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
  }
}

}  // namespace

TemplateTraits probe_template(const RenderTry& render) {
  TemplateTraits traits;
  const Json tools =
      Json::array({{{"type", "function"},
                    {"function",
                     {{"name", "probe_tool"},
                      {"description", "d"},
                      {"parameters", {{"type", "object"}, {"properties", Json::object()}}}}}}});
  const auto user = [](const Json& content) {
    return Json::array({{{"role", "user"}, {"content", content}}});
  };
  const Result<std::string> listed = render(user(text_parts("probe_text")), nullptr);
  // A template that only prints the list writes its keys too.
  traits.list_content = contains(listed, "probe_text") && !contains(listed, "'type'") &&
                        !contains(listed, "\"type\"");
  traits.string_content =
      !traits.list_content || contains(render(user("probe_text"), nullptr), "probe_text");
  const std::string arguments = R"({"probe_key": "probe_value"})";
  const Json empty = traits.string_content ? Json("") : text_parts("");
  const Result<std::string> with_object =
      render(chat_with_call(empty, Json::parse(arguments)), tools);
  const Result<std::string> with_text = render(chat_with_call(empty, arguments), tools);
  // Text is for templates that do not write an object, or write it as Python does; not for those
  // that print a whole message that way.
  const bool as_python =
      contains(with_object, "{'probe_key'") && !contains(with_text, "'" + arguments);
  traits.argument_objects =
      !contains(with_text, arguments) || (contains(with_object, "probe_key") && !as_python);
  const Json given = traits.argument_objects ? Json::parse(arguments) : Json(arguments);
  Json absent = chat_with_call(nullptr, given);
  absent[1].erase("content");
  const bool says_none = contains(render(chat_with_call(empty, given), tools), "None");
  const auto bears = [&](const Json& chat) {
    const Result<std::string> rendered = render(chat, tools);
    return rendered.ok() && contains(rendered, "None") == says_none;
  };
  using NoContent = TemplateTraits::NoContent;
  traits.no_content = bears(absent)                           ? NoContent::kAbsent
                      : bears(chat_with_call(nullptr, given)) ? NoContent::kNull
                                                              : NoContent::kEmpty;
  return traits;
}

namespace {

// A list of no calls is what a message without calls has.
bool says_nothing(const std::string& field, const Json& value) {
  if (field == "tool_calls" && value.is_array() && value.empty()) return true;
  return value.is_null() && field != "content";
}

}  // namespace

Json adapt_messages(Json messages, const TemplateTraits& traits) {
  if (!messages.is_array()) return messages;
  for (Json& message : messages) {
    if (!message.is_object()) continue;
    for (auto field = message.begin(); field != message.end();)
      field = says_nothing(field.key(), *field) ? message.erase(field) : std::next(field);
    if (!traits.developer_role && message.value("role", Json()) == "developer")
      message["role"] = "system";
    alias_reasoning(message);
    adapt_content(message, traits);
    adapt_arguments(message, traits);
  }
  return messages;
}

}  // namespace ember
