// SPDX-License-Identifier: Apache-2.0
// Reading JSON that somebody else wrote.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "ember/base/result.h"

namespace ember {

// `text`, which was read from `path`, as JSON that nests at most 64 deep. The error names the file.
// (Not ordered_json: its inserts search linearly, which a vocabulary makes quadratic.)
Result<nlohmann::json> parse_json_file(const std::filesystem::path& path, const std::string& text);
// The same of a file of at most max_bytes.
Result<nlohmann::json> read_json_file(const std::filesystem::path& path, size_t max_bytes);

}  // namespace ember
