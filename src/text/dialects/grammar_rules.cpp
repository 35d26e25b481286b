// SPDX-License-Identifier: Apache-2.0
#include "dialects/grammar_rules.h"

#include <fmt/format.h>

#include <cctype>

namespace ember::lark {

using Json = nlohmann::ordered_json;

std::string escaped(std::string_view text) {
  std::string regex;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(b) != 0 || c == '_' || b >= 0x80;
    regex += plain ? std::string(1, c) : fmt::format("\\x{:02X}", b);
  }
  return regex;
}

std::string terminal(const std::string& name, const std::string& regex) {
  return fmt::format("{}: /{}/\n", name, regex);
}

std::string literal(std::string_view text) { return Json(text).dump(); }

std::optional<std::string> special(const Tokenizer& tokenizer, std::string_view marker) {
  const std::optional<int32_t> id = tokenizer.token_to_id(marker);
  if (!id || !tokenizer.is_special(*id)) return std::nullopt;
  return fmt::format("<[{}]>", *id);
}

std::string text_until(std::string& rules, const Tokenizer& tokenizer, const std::string& marker) {
  if (const auto token = special(tokenizer, marker)) {
    rules += terminal("HEAD_TEXT", kAny);
    return "HEAD_TEXT " + *token;
  }
  rules += fmt::format("head[lazy]: /{}{}/\n", kAny, escaped(marker));
  return "head";
}

void define_text_without(std::string& rules, const Tokenizer& tokenizer,
                         const std::string& marker) {
  if (special(tokenizer, marker))
    rules += terminal("TEXT", kAny);
  else
    rules += fmt::format("TEXT: /{0}/ & ~/{0}{1}{0}/\n", kAny, escaped(marker));
}

void define_arguments(std::string& rules, size_t functions) {
  for (size_t i = 0; i < functions; ++i) rules += fmt::format("args_{0}: @schema_{0}\n", i);
}

void define_object_rest(std::string& rules, const std::vector<ToolFunction>& functions,
                        const std::string& key) {
  rules += "object_rest: ";
  for (size_t i = 0; i < functions.size(); ++i) {
    const std::string middle = fmt::format("{0}:{0}\\x22{1}\\x22{0},{0}\\x22{2}\\x22{0}:{0}",
                                           kSpace, escaped(functions[i].name), key);
    rules += fmt::format("{}/{}/ args_{} /{}\\x7D/", i == 0 ? "" : " | ", middle, i, kSpace);
  }
  rules += "\n";
}

}  // namespace ember::lark
