// SPDX-License-Identifier: Apache-2.0
// How models write function calls, each as the chat templates of its family teach it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ember {

// "f" stands for a function's name, {...} for its arguments, a JSON object. White space between the
// parts is free.
enum class ToolDialect : uint8_t {
  kLlama3,  // {"name": "f", "parameters": {...}} is the whole answer, perhaps after <|python_tag|>;
            // several: separated by ; or a new line
  kHermes,  // <tool_call>{"name": "f", "arguments": {...}}</tool_call>, perhaps after some text;
            // several: one after the other
  kGlm4,    // f, a new line, {...}: the whole answer
  kMistral,  // [TOOL_CALLS][{"name": "f", "arguments": {...}}, ...], or later
             // [TOOL_CALLS]f[ARGS]{...}, perhaps after some text
};

// A function that the model may call.
struct ToolFunction {
  std::string name;                   // letters, digits, _ and -
  nlohmann::ordered_json parameters;  // a JSON schema; null: any object
};

// As in --tool-call-parser: llama3_json, hermes, glm4, mistral.
std::optional<ToolDialect> tool_dialect_by_name(std::string_view name);
std::string_view tool_dialect_name(ToolDialect dialect);
std::vector<std::string> tool_dialect_names();

// The dialect that a chat template teaches; nullopt: none that is known.
std::optional<ToolDialect> detect_tool_dialect(std::string_view template_source);

// Texts that may be special tokens and still belong to a call.
std::vector<std::string> tool_markers(ToolDialect dialect);

}  // namespace ember
