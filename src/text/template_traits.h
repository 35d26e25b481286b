// SPDX-License-Identifier: Apache-2.0
// What a chat template makes of its input: templates disagree on how contents and calls are given
// to them.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "ember/base/result.h"

namespace ember {

struct TemplateTraits {
  bool string_content = true;  // reads contents that are strings
  bool list_content = false;   // reads contents that are lists of parts
  bool argument_objects =
      true;  // writes a call's arguments given as an object; otherwise as JSON text
  bool developer_role = false;  // knows it; otherwise such messages are given as the system's
  // What a message with calls and without content shall have as its content.
  enum class NoContent : uint8_t { kAbsent, kNull, kEmpty } no_content = NoContent::kAbsent;
};

using RenderTry = std::function<Result<std::string>(const nlohmann::ordered_json& messages,
                                                    const nlohmann::ordered_json& tools)>;

// Found by rendering small chats.
TemplateTraits probe_template(const RenderTry& render);

// Messages as OpenAI has them, as the template wants them: contents as text or parts, arguments as
// objects or text. The text of parts becomes one string, a line each, where the template reads no
// lists, and a developer the system where the template does not know the role. Fields that are null
// and empty lists of calls are left out, and reasoning is given under each of its names, as
// transformers does.
nlohmann::ordered_json adapt_messages(nlohmann::ordered_json messages,
                                      const TemplateTraits& traits);

}  // namespace ember
