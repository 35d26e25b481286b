// SPDX-License-Identifier: Apache-2.0
// The functions that a chat request offers to the model.
#pragma once

#include <string>
#include <vector>

#include "ember/server/json_reader.h"
#include "ember/text/tool_dialect.h"

namespace ember {

struct ToolParams {
  std::vector<ToolFunction> callable;  // by the request's choice; empty: calls are not looked for
  Json shown;                          // what the chat template is given: all of them; null: none
  bool required = false;               // at least one call, and no text
  bool parallel = true;                // several calls
};

// OpenAI's chat completions: "tools", "tool_choice" (none, auto, required, one function, or
// allowed_tools) and "parallel_tool_calls".
ToolParams read_tools(FieldReader& fields);

// Other APIs. The list "tools": `to_openai` gives the tool at `path` as chat completions write it,
// null where it is ignored, or fails; `parameters` is where such a tool has the schema of its
// arguments.
void read_tool_list(FieldReader& fields, ToolParams& tools,
                    Json (*to_openai)(FieldReader& fields, const Json& tool,
                                      const std::string& path),
                    const std::string& parameters = "function.parameters");
// Lists a tool that somebody else's server would run, "tools[1]:web_search": the model is not shown
// it.
void ignore_hosted_tool(FieldReader& fields, const Json& tool, const std::string& path);
// A choice among the tools read before, asked for by the field "tool_choice".
void choose_by_word(FieldReader& fields, const std::string& word,  // none, auto or required
                    ToolParams& tools);
void choose_function(FieldReader& fields, const std::string& name, ToolParams& tools);

}  // namespace ember
