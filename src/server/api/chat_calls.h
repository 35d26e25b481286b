// SPDX-License-Identifier: Apache-2.0
// The calls in an assistant's message, as OpenAI's chat completions write them.
#pragma once

#include <string>

#include "api/message.h"
#include "ember/base/result.h"
#include "ember/server/json_reader.h"

namespace ember {

// Appends the list at `path`, checked, to the message's calls.
Result<void> read_calls(const Json& calls, const std::string& path, Message& message);

// Whether the text is the JSON of an object; empty text stands for no arguments.
bool is_object_text(const std::string& text);

}  // namespace ember
