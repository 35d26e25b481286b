// SPDX-License-Identifier: Apache-2.0
// Reading files and directories that somebody else made. Nothing here throws, whatever is there;
// std::filesystem's functions do, for a link that leads to itself or a name that is too long.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/result.h"

namespace ember {

// The whole of a regular file of at most max_bytes. The message of the error begins with path and
// noun, which says what the file is to the reader; its kind is kNotFound where there is none.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t max_bytes,
                                   std::string_view noun = "file");

// False only where there is nothing of this name. What leads nowhere or cannot be looked at is
// there: reading it says what is wrong with it.
bool path_exists(const std::filesystem::path& path);
// What the path leads to, over links; false where that cannot be found out.
bool path_is_file(const std::filesystem::path& path);
bool path_is_directory(const std::filesystem::path& path);
// The path without links and dots; as it is where it leads nowhere.
std::filesystem::path resolved_path(const std::filesystem::path& path);
// The paths of all that is in a directory, sorted. The error names the directory.
Result<std::vector<std::filesystem::path>> list_directory(const std::filesystem::path& path);

}  // namespace ember
