// SPDX-License-Identifier: Apache-2.0
// Reading the text files of a model directory.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "ember/base/result.h"

namespace ember {

// At most max_bytes of a regular file; the error names the file.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t max_bytes);
// `text`, which was read from `path`, as JSON that nests at most 64 deep. (Not ordered_json: its
// inserts search linearly, which a vocabulary makes quadratic.)
Result<nlohmann::json> parse_json_file(const std::filesystem::path& path, const std::string& text);
// Both.
Result<nlohmann::json> read_json_file(const std::filesystem::path& path, size_t max_bytes);

}  // namespace ember
