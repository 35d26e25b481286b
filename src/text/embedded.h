// SPDX-License-Identifier: Apache-2.0
// Files that are part of the program: CMake makes a string of each (ember_embed).
#pragma once

#include <string_view>

namespace ember {

extern const std::string_view kChatGlm3Template;  // configs/templates/chatglm3.jinja

}  // namespace ember
