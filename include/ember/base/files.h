// SPDX-License-Identifier: Apache-2.0
// Reading files whose size somebody else decides.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "ember/base/result.h"

namespace ember {

// The whole of a regular file of at most max_bytes. The message of the error begins with path and
// noun, which says what the file is to the reader; its kind is kNotFound where there is none.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t max_bytes,
                                   std::string_view noun = "file");

}  // namespace ember
