// SPDX-License-Identifier: Apache-2.0
#include "ember/base/files.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace ember {

Result<std::string> read_text_file(const std::filesystem::path& path, size_t max_bytes,
                                   std::string_view noun) {
  const auto refusal = [&](const std::string& why, ErrorKind kind = ErrorKind::kInvalid) {
    return Error{kind, fmt::format("{}: {} {}", path.string(), noun, why), "", "invalid_value"};
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return refusal("does not exist", ErrorKind::kNotFound);
  if (!std::filesystem::is_regular_file(status)) return refusal("is not a regular file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) return refusal("has no size: " + error.message());
  if (size > max_bytes)
    return refusal(fmt::format("has {} bytes, at most {} are read", size, max_bytes));
  std::ifstream in(path, std::ios::binary);
  if (!in) return refusal("cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || text.size() != size) return refusal("cannot be read to its end");
  return text;
}

}  // namespace ember
