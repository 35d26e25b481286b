// SPDX-License-Identifier: Apache-2.0
#include "api/chat_calls.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace ember {

namespace {

constexpr size_t kMaxCalls = 128;

bool are_arguments(const Json& arguments) {
  return arguments.is_object() ||
         (arguments.is_string() && is_object_text(arguments.get_ref<const std::string&>()));
}

Result<ToolCall> read_call(const Json& json, const std::string& path) {
  if (!json.is_object() || !json.contains("function") || !json["function"].is_object())
    return wrong(path, "must hold an object \"function\".");
  FieldReader fields(json, path + ".");
  ToolCall call{.id = fields.text("id", SIZE_MAX, ""), .name = {}, .arguments = {}};
  const std::string type = fields.text("type", SIZE_MAX, "");
  if (!type.empty() && type != "function") fields.fail("type", "must be function.");
  if (!fields.ok()) return fields.error();
  const Json& function = json["function"];
  if (!is_text(function, "name")) return wrong(path + ".function.name", "must be a string.");
  if (function.contains("arguments") && !are_arguments(function["arguments"]))
    return wrong(path + ".function.arguments", "must be the JSON text of an object.",
                 "invalid_value");
  call.name = function["name"].get<std::string>();
  call.arguments = function.value("arguments", Json());
  return call;
}

}  // namespace

Result<void> read_calls(const Json& calls, const std::string& path, Message& message) {
  if (!calls.is_array())
    return wrong(path, fmt::format("must be a list, not {}.", type_name(calls)));
  if (calls.size() > kMaxCalls)
    return wrong(path, fmt::format("must hold at most {} calls.", kMaxCalls), "invalid_value");
  for (size_t i = 0; i < calls.size(); ++i) {
    Result<ToolCall> call = read_call(calls[i], fmt::format("{}[{}]", path, i));
    if (!call.ok()) return call.error();
    message.calls.push_back(std::move(call).value());
  }
  return {};
}

bool is_object_text(const std::string& text) {
  return text.empty() || parse_object(text).ok();  // some clients send no text for no arguments
}

}  // namespace ember
