// SPDX-License-Identifier: Apache-2.0
// Contents of messages where only text may stand: a string, or a list of parts that are text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api/message.h"
#include "ember/base/result.h"
#include "ember/server/json_reader.h"

namespace ember {

// What one API allows in such a list, and the words in which it refuses the rest.
struct TextParts {
  std::string_view noun;                // of the parts, in the plural
  size_t min_parts = 1;                 // at most 1,024
  std::vector<std::string_view> types;  // those that hold a text
  std::string_view refusal;             // of a part of another type
  bool refuses_no_object = false;       // in words of its own; otherwise as one of another type
};

// A string stays one, a list becomes its texts. Nothing else is looked at, let alone fetched.
// `path` names the content in errors.
Result<MessageContent> read_text_content(const Json& content, const std::string& path,
                                         const TextParts& allowed);

// Where a list of one text, or of none, means the same as a string.
MessageContent as_string_if_one(MessageContent content);

}  // namespace ember
