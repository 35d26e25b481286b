// Files that are part of the program: CMake makes a string of each (ember_embed).
#pragma once

#include <string_view>

namespace ember {

extern const std::string_view kPage;  // src/server/page/index.html

}  // namespace ember
