// SPDX-License-Identifier: Apache-2.0
// Files that are part of the program: CMake makes a string of each (ember_embed).
#pragma once

#include <string_view>

namespace ember {

extern const std::string_view kPage;          // src/server/page/index.html
extern const std::string_view kOpenApi;       // src/server/openapi/main.json
extern const std::string_view kAdminOpenApi;  // src/server/openapi/admin.json

}  // namespace ember
