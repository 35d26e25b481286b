// SPDX-License-Identifier: Apache-2.0
#include "api/tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace ember {

namespace {

bool is_tool_name(const Json& name) {
  if (!name.is_string()) return false;
  const auto& text = name.get_ref<const std::string&>();
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

// Empty: it is one that the model can call.
std::string fault_of_function(const Json& function) {
  if (!function.contains("name") || !is_tool_name(function["name"]))
    return "must have a name of 1 to 64 letters, digits, _ or -.";
  const auto description = function.find("description");
  if (description != function.end() && !description->is_string() && !description->is_null())
    return "must have a string as its description.";
  const auto parameters = function.find("parameters");
  if (parameters != function.end() && !parameters->is_object() && !parameters->is_null())
    return "must have an object as its parameters.";
  return {};
}

Json checked_tool(FieldReader& fields, const Json& tool, const std::string& path) {
  if (!tool.is_object() || !tool.contains("type") || tool["type"] != "function")
    fields.fail(path, "must be an object of the type function.");
  else if (!tool.contains("function") || !tool["function"].is_object())
    fields.fail(path, "must hold an object \"function\".");
  return tool;
}

// The name in {"type": "function", "function": {"name": "f"}}; null: it is something else.
const std::string* chosen_name(const Json& choice) {
  if (!choice.is_object() || !choice.contains("type") || choice["type"] != "function")
    return nullptr;
  const auto function = choice.find("function");
  const bool named = function != choice.end() && function->is_object() &&
                     function->contains("name") && (*function)["name"].is_string();
  return named ? &(*function)["name"].get_ref<const std::string&>() : nullptr;
}

void keep_only(FieldReader& fields, ToolParams& tools, const std::set<std::string>& names) {
  for (const std::string& name : names)
    if (std::none_of(tools.callable.begin(), tools.callable.end(),
                     [&](const ToolFunction& f) { return f.name == name; }))
      return fields.fail(
          "tool_choice",
          fmt::format("names a function that is not among the tools: {}.", name.substr(0, 64)));
  std::erase_if(tools.callable, [&](const ToolFunction& f) { return !names.contains(f.name); });
}

// {"type": "allowed_tools", "allowed_tools": {"mode": "auto" or "required", "tools": [...]}}
void choose_allowed(FieldReader& fields, const Json& choice, ToolParams& tools) {
  const auto allowed = choice.find("allowed_tools");
  const bool known = allowed != choice.end() && allowed->is_object() && allowed->contains("mode") &&
                     allowed->contains("tools") &&
                     ((*allowed)["mode"] == "auto" || (*allowed)["mode"] == "required") &&
                     (*allowed)["tools"].is_array() && !(*allowed)["tools"].empty();
  if (!known)
    return fields.fail("tool_choice",
                       "of the type allowed_tools must have a mode (auto or required) and tools.");
  std::set<std::string> names;
  for (const Json& tool : (*allowed)["tools"]) {
    const std::string* name = chosen_name(tool);
    if (name == nullptr) return fields.fail("tool_choice", "must list functions by their names.");
    names.insert(*name);
  }
  tools.required = (*allowed)["mode"] == "required";
  keep_only(fields, tools, names);
}

// Whether there is anything to choose from.
bool may_choose(FieldReader& fields, const ToolParams& tools) {
  if (tools.shown.is_null()) fields.fail("tool_choice", "is only possible with tools.");
  return !tools.shown.is_null();
}

void read_choice(FieldReader& fields, ToolParams& tools) {
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr || !fields.ok()) return;
  const std::string* name = chosen_name(*choice);
  const bool allowed =
      choice->is_object() && choice->contains("type") && (*choice)["type"] == "allowed_tools";
  if (name != nullptr) return choose_function(fields, *name, tools);
  if (!allowed)
    return choose_by_word(fields, choice->is_string() ? choice->get<std::string>() : "", tools);
  if (may_choose(fields, tools)) choose_allowed(fields, *choice, tools);
}

}  // namespace

void read_tool_list(FieldReader& fields, ToolParams& tools,
                    Json (*to_openai)(FieldReader& fields, const Json& tool,
                                      const std::string& path),
                    const std::string& parameters) {
  constexpr size_t kMaxTools = 128;
  const Json* list = fields.value("tools");
  if (list == nullptr) return;
  if (!list->is_array())
    return fields.fail("tools", fmt::format("must be a list, not {}.", type_name(*list)),
                       "invalid_type");
  if (list->size() > kMaxTools)
    return fields.fail("tools", fmt::format("must hold at most {} tools.", kMaxTools));
  std::set<std::string> names;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string path = fmt::format("tools[{}]", i);
    Json tool = to_openai(fields, (*list)[i], path);
    if (!fields.ok()) return;
    if (tool.is_null()) continue;
    const Json& function = tool["function"];
    if (const std::string fault = fault_of_function(function); !fault.empty())
      return fields.fail(path, fault);
    const auto& name = function["name"].get_ref<const std::string&>();
    if (!names.insert(name).second) return fields.fail(path, "has the name of another tool.");
    tools.callable.push_back({name, function.value("parameters", Json()), path + "." + parameters});
    tools.shown.push_back(std::move(tool));
  }
}

void ignore_hosted_tool(FieldReader& fields, const Json& tool, const std::string& path) {
  const std::string type = type_of(tool);
  fields.list_ignored(is_tool_name(type) ? fmt::format("{}:{}", path, type) : path);
}

void choose_by_word(FieldReader& fields, const std::string& word, ToolParams& tools) {
  if (word == "auto") return;
  if (word == "none") return tools.callable.clear();
  if (!may_choose(fields, tools)) return;
  if (word != "required")
    return fields.fail("tool_choice",
                       "must be none, auto, required, or an object that names a function.");
  tools.required = true;
}

void choose_function(FieldReader& fields, const std::string& name, ToolParams& tools) {
  if (!may_choose(fields, tools)) return;
  tools.required = true;
  keep_only(fields, tools, {name});
}

ToolParams read_tools(FieldReader& fields) {
  ToolParams tools;
  tools.parallel = fields.boolean("parallel_tool_calls", true);
  read_tool_list(fields, tools, checked_tool);
  read_choice(fields, tools);
  return tools;
}

}  // namespace ember
