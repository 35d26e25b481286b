// SPDX-License-Identifier: Apache-2.0
// What this program is called.
#pragma once

#include <string>

namespace ember {

inline constexpr const char* kVersion = EMBER_VERSION;  // of CMakeLists.txt

inline std::string version_line() { return std::string("ember ") + kVersion; }

}  // namespace ember
