// SPDX-License-Identifier: Apache-2.0
// Parts from which the dialects build their grammars, as rules and terminals of llguidance's Lark.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ember/text/tokenizer.h"
#include "ember/text/tool_dialect.h"

namespace ember::lark {

// White space as JSON has it, bounded like that of schemas. The s flag lets a dot be any character.
inline constexpr const char* kSpace = "[ \\t\\r\\n]{0,40}";
inline constexpr const char* kAny = "(?s:.*)";

// `text` inside a regular expression: letters, digits and _ as they are.
std::string escaped(std::string_view text);
// The line that defines a terminal.
std::string terminal(const std::string& name, const std::string& regex);
std::string literal(std::string_view text);

// A marker as one special token, where the tokenizer has it as one: no text can be mistaken for it.
std::optional<std::string> special(const Tokenizer& tokenizer, std::string_view marker);

// Any text in which `marker` does not occur, then the marker.
std::string text_until(std::string& rules, const Tokenizer& tokenizer, const std::string& marker);

// Defines TEXT: any text in which `marker` does not occur.
void define_text_without(std::string& rules, const Tokenizer& tokenizer, const std::string& marker);

// Defines a rule args_i for each of so many functions: the schema i of the source.
void define_arguments(std::string& rules, size_t functions);

// Defines object_rest: {"name": "f", KEY: {...}} of any of the functions without its first part up
// to "name".
void define_object_rest(std::string& rules, const std::vector<ToolFunction>& functions,
                        const std::string& key);

}  // namespace ember::lark
