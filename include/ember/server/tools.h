// SPDX-License-Identifier: Apache-2.0
// The functions that a chat request offers to the model.
#pragma once

#include <vector>

#include "ember/server/json_reader.h"
#include "ember/text/tool_dialect.h"

namespace ember {

struct ToolParams {
  std::vector<ToolFunction> callable;  // by tool_choice; empty: calls are not looked for
  bool required = false;               // at least one call, and no text
  bool parallel = true;                // several calls
};

// Reads "tools", "tool_choice" (none, auto, required, one function, or allowed_tools) and
// "parallel_tool_calls". `shown` becomes what the template is given: all of the tools, null if
// there are none.
ToolParams read_tools(FieldReader& fields, Json& shown);

}  // namespace ember
