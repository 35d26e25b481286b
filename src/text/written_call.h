// SPDX-License-Identifier: Apache-2.0
// How a chat template itself writes a call: the best witness of the dialect that its model speaks.
#pragma once

#include <string>
#include <vector>

#include "ember/text/tool_dialect.h"
#include "template_traits.h"

namespace ember {

// An assistant's answer that is one known call, as the template writes it, in each of the forms in
// which a template may want to be given it. Those that it refuses or leaves out are missing.
std::vector<std::string> written_calls(const RenderTry& render);

// Whether the dialect's reader finds that call, and no other, in such an answer.
bool reads_written_call(const ToolDialect& dialect, const std::string& answer);

}  // namespace ember
