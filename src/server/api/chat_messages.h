// SPDX-License-Identifier: Apache-2.0
// The messages of OpenAI's chat completions.
#pragma once

#include <vector>

#include "api/message.h"
#include "ember/base/result.h"
#include "ember/server/json_reader.h"

namespace ember {

// "messages", checked: roles, contents as text or lists of text parts, calls, ids of tool messages.
Result<std::vector<Message>> read_messages(FieldReader& fields);

}  // namespace ember
