// SPDX-License-Identifier: Apache-2.0
#include "api/text_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ember {

namespace {

constexpr size_t kMaxParts = 1024;

Result<void> check_part(const Json& part, const std::string& path, const TextParts& allowed) {
  if (!part.is_object() && allowed.refuses_no_object) return wrong(path, "must be an object.");
  if (std::ranges::find(allowed.types, type_of(part)) == allowed.types.end())
    return wrong(path, std::string(allowed.refusal), "unsupported_content");
  if (!is_text(part, "text")) return wrong(path + ".text", "must be a string.");
  return {};
}

}  // namespace

Result<MessageContent> read_text_content(const Json& content, const std::string& path,
                                         const TextParts& allowed) {
  if (content.is_string()) return MessageContent(content.get<std::string>());
  if (!content.is_array())
    return wrong(path, fmt::format("must be a string or a list of {}, not {}.", allowed.noun,
                                   type_name(content)));
  if (content.size() < allowed.min_parts || content.size() > kMaxParts) {
    const std::string bounds = allowed.min_parts > 0
                                   ? fmt::format("{} to {}", allowed.min_parts, kMaxParts)
                                   : fmt::format("at most {}", kMaxParts);
    return wrong(path, fmt::format("must hold {} {}.", bounds, allowed.noun), "invalid_value");
  }
  std::vector<std::string> texts;
  for (size_t i = 0; i < content.size(); ++i) {
    const Result<void> part = check_part(content[i], fmt::format("{}[{}]", path, i), allowed);
    if (!part.ok()) return part.error();
    texts.push_back(content[i]["text"].get<std::string>());
  }
  return MessageContent(std::move(texts));
}

MessageContent as_string_if_one(MessageContent content) {
  auto* texts = std::get_if<std::vector<std::string>>(&content);
  if (texts == nullptr || texts->size() > 1) return content;
  return texts->empty() ? std::string() : std::move(texts->front());
}

}  // namespace ember
