// SPDX-License-Identifier: Apache-2.0
// The messages and documents of a chat request.
#pragma once

#include "ember/base/result.h"
#include "ember/server/json_reader.h"
#include "ember/text/chat_template.h"

namespace ember {

// "messages", checked: roles, contents as text or lists of text parts, calls with the JSON text of
// an object (or the object) as their arguments, ids of tool messages.
Result<Json> parse_messages(FieldReader& fields);

// What the chat template is given, but for the tools: messages, documents (objects of strings),
// chat_template_kwargs (scalars; reasoning_effort is one of them under its own name),
// add_generation_prompt, continue_final_message.
Result<ChatInput> parse_chat_input(FieldReader& fields);

}  // namespace ember
