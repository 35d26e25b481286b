// SPDX-License-Identifier: Apache-2.0
// The name and version of this program.
#pragma once

#include <string>

namespace ember {

inline constexpr const char* kVersion = EMBER_VERSION;  // of CMakeLists.txt

inline std::string version_line() { return std::string("ember ") + kVersion; }

}  // namespace ember
