// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_dialect.h"

#include <algorithm>

#include "dialects/table.h"
#include "written_call.h"

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

const ToolDialect* detect_tool_dialect(std::string_view template_source,
                                       std::span<const std::string> written) {
  const auto reads_one = [&](const ToolDialect& dialect) {
    return std::any_of(written.begin(), written.end(), [&](const std::string& answer) {
      return reads_written_call(dialect, answer);
    });
  };
  const ToolDialect* taught = nullptr;
  for (const ToolDialect* dialect : kToolDialects)
    if (dialect->is_taught_by(template_source) && (written.empty() || reads_one(*dialect)))
      taught = dialect;
  return taught;
}

}  // namespace ember
