// SPDX-License-Identifier: Apache-2.0
#include "ember/server/tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace ember {

namespace {

bool is_tool_name(const Json& name) {
  if (!name.is_string()) return false;
  const auto& text = name.get_ref<const std::string&>();
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

// Empty: it is a tool.
std::string fault_of_tool(const Json& tool, std::set<std::string>& names) {
  if (!tool.is_object() || !tool.contains("type") || tool["type"] != "function")
    return "must be an object of the type function.";
  const auto function = tool.find("function");
  if (function == tool.end() || !function->is_object()) return "must hold an object \"function\".";
  const auto name = function->find("name");
  if (name == function->end() || !is_tool_name(*name))
    return "must have a name of 1 to 64 letters, digits, _ or -.";
  const auto description = function->find("description");
  if (description != function->end() && !description->is_string() && !description->is_null())
    return "must have a string as its description.";
  const auto parameters = function->find("parameters");
  if (parameters != function->end() && !parameters->is_object() && !parameters->is_null())
    return "must have an object as its parameters.";
  if (!names.insert(name->get<std::string>()).second) return "has the name of another tool.";
  return {};
}

// The name in {"type": "function", "function": {"name": "f"}}; null: it is something else.
const std::string* chosen_name(const Json& choice) {
  if (!choice.is_object() || !choice.contains("type") || choice["type"] != "function")
    return nullptr;
  const auto function = choice.find("function");
  if (function == choice.end() || !function->is_object() || !function->contains("name") ||
      !(*function)["name"].is_string())
    return nullptr;
  return &(*function)["name"].get_ref<const std::string&>();
}

void keep_only(FieldReader& fields, ToolParams& params, const std::set<std::string>& names) {
  for (const std::string& name : names)
    if (std::none_of(params.callable.begin(), params.callable.end(),
                     [&](const ToolFunction& f) { return f.name == name; }))
      return fields.fail(
          "tool_choice",
          fmt::format("names a function that is not among the tools: {}.", name.substr(0, 64)));
  std::erase_if(params.callable, [&](const ToolFunction& f) { return !names.contains(f.name); });
}

// {"type": "allowed_tools", "allowed_tools": {"mode": "auto" or "required", "tools": [...]}}
void read_allowed(FieldReader& fields, const Json& choice, ToolParams& params) {
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
  params.required = (*allowed)["mode"] == "required";
  keep_only(fields, params, names);
}

void read_choice(FieldReader& fields, ToolParams& params) {
  const Json* choice = fields.value("tool_choice");
  if (choice == nullptr || *choice == "auto") return;
  if (*choice == "none") return params.callable.clear();
  params.required = true;
  if (*choice == "required") return;
  if (choice->is_object() && choice->contains("type") && (*choice)["type"] == "allowed_tools")
    return read_allowed(fields, *choice, params);
  const std::string* name = chosen_name(*choice);
  if (name == nullptr)
    return fields.fail("tool_choice",
                       "must be none, auto, required, or an object that names a function.");
  keep_only(fields, params, {*name});
}

}  // namespace

ToolParams read_tools(FieldReader& fields, Json& shown) {
  constexpr size_t kMaxTools = 128;
  ToolParams params;
  params.parallel = fields.boolean("parallel_tool_calls", true);
  const Json* tools = fields.value("tools");
  if (tools != nullptr && !tools->is_array())
    fields.fail("tools", fmt::format("must be a list, not {}.", type_name(*tools)), "invalid_type");
  else if (tools != nullptr && tools->size() > kMaxTools)
    fields.fail("tools", fmt::format("must hold at most {} tools.", kMaxTools));
  if (!fields.ok()) return params;
  if (tools == nullptr || tools->empty()) {
    const Json* choice = fields.value("tool_choice");
    if (choice != nullptr && *choice != "none" && *choice != "auto")
      fields.fail("tool_choice", "is only possible with tools.");
    return params;
  }
  std::set<std::string> names;
  for (size_t i = 0; i < tools->size(); ++i) {
    const Json& tool = (*tools)[i];
    if (const std::string fault = fault_of_tool(tool, names); !fault.empty()) {
      fields.fail(fmt::format("tools[{}]", i), fault);
      return params;
    }
    params.callable.push_back({tool["function"]["name"].get<std::string>(),
                               tool["function"].value("parameters", Json())});
  }
  shown = *tools;
  read_choice(fields, params);
  return params;
}

}  // namespace ember
