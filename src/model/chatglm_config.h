// SPDX-License-Identifier: Apache-2.0
// ChatGLM's own config.json (ChatGLM3-6B, glm-4-9b-chat), in the fields that other families have.
#pragma once

#include "json_object.h"

namespace ember {

// The object with these fields added; messages name ChatGLM's. Throws StartError(kBadModel) for
// variants of the architecture that are not computed.
JsonObject translate_chatglm(const JsonObject& config);

}  // namespace ember
