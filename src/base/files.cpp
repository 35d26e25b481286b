// SPDX-License-Identifier: Apache-2.0
#include "ember/base/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace ember {

namespace fs = std::filesystem;

Result<std::string> read_text_file(const fs::path& path, size_t max_bytes, std::string_view noun) {
  const auto refusal = [&](const std::string& why, ErrorKind kind = ErrorKind::kInvalid) {
    return Error{kind, fmt::format("{}: {} {}", path.string(), noun, why), "", "invalid_value"};
  };
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    return refusal("does not exist", ErrorKind::kNotFound);
  if (error) return refusal("cannot be read: " + error.message());
  if (!fs::is_regular_file(status)) return refusal("is not a regular file");
  const auto size = fs::file_size(path, error);
  if (error) return refusal("has no size: " + error.message());
  if (size > max_bytes)
    return refusal(fmt::format("has {} bytes, at most {} are read", size, max_bytes));
  std::ifstream in(path, std::ios::binary);
  if (!in) return refusal("cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || text.size() != size) return refusal("cannot be read to its end");
  return text;
}

bool path_exists(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

bool path_is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool path_is_directory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

fs::path resolved_path(const fs::path& path) {
  std::error_code error;
  const fs::path resolved = fs::canonical(path, error);
  return error ? path : resolved;
}

Result<std::vector<fs::path>> list_directory(const fs::path& path) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(path, error); !error && at != fs::directory_iterator();
       at.increment(error))
    entries.push_back(at->path());
  if (error)
    return invalid("",
                   fmt::format("{}: directory cannot be read: {}", path.string(), error.message()));
  std::ranges::sort(entries);
  return entries;
}

}  // namespace ember
