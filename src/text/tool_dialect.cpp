// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_dialect.h"

#include "dialects/table.h"

namespace ember {

const ToolDialect* tool_dialect_by_name(std::string_view name) {
  for (const ToolDialect* dialect : kToolDialects)
    if (dialect->name == name) return dialect;
  return nullptr;
}

std::vector<std::string> tool_dialect_names() {
  std::vector<std::string> names;
  for (const ToolDialect* dialect : kToolDialects) names.emplace_back(dialect->name);
  return names;
}

const ToolDialect* detect_tool_dialect(std::string_view template_source) {
  const ToolDialect* taught = nullptr;
  for (const ToolDialect* dialect : kToolDialects)
    if (dialect->is_taught_by(template_source)) taught = dialect;
  return taught;
}

}  // namespace ember
