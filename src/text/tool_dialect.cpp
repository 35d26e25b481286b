// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_dialect.h"

#include <utility>

namespace ember {

namespace {

constexpr std::pair<std::string_view, ToolDialect> kNames[] = {
    {"llama3_json", ToolDialect::kLlama3},
    {"hermes", ToolDialect::kHermes},
    {"glm4", ToolDialect::kGlm4},
    {"mistral", ToolDialect::kMistral}};

}  // namespace

std::optional<ToolDialect> tool_dialect_by_name(std::string_view name) {
  for (const auto& [known, dialect] : kNames)
    if (known == name) return dialect;
  return std::nullopt;
}

std::string_view tool_dialect_name(ToolDialect dialect) {
  for (const auto& [name, known] : kNames)
    if (known == dialect) return name;
  return {};
}

std::vector<std::string> tool_dialect_names() {
  std::vector<std::string> names;
  for (const auto& [name, dialect] : kNames) names.emplace_back(name);
  return names;
}

std::optional<ToolDialect> detect_tool_dialect(std::string_view source) {
  const auto has = [&](std::string_view text) {
    return source.find(text) != std::string_view::npos;
  };
  if (has("[TOOL_CALLS]")) return ToolDialect::kMistral;
  if (has("<tool_call>") && !has("<arg_key>"))
    return ToolDialect::kHermes;  // <arg_key>: the XML of GLM-4.5
  if (has("<|observation|>") && !has("<arg_key>")) return ToolDialect::kGlm4;
  if (has("{\"name\": ") && has("\"parameters\": ")) return ToolDialect::kLlama3;
  return std::nullopt;
}

std::vector<std::string> tool_markers(ToolDialect dialect) {
  switch (dialect) {
    case ToolDialect::kLlama3:
      return {"<|python_tag|>"};
    case ToolDialect::kHermes:
      return {"<tool_call>", "</tool_call>"};
    case ToolDialect::kMistral:
      return {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"};
    case ToolDialect::kGlm4:
      break;
  }
  return {};
}

}  // namespace ember
