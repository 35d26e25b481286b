// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace ember {

namespace {

Error refusal(const std::filesystem::path& path, const std::string& why) {
  return invalid("", fmt::format("{}: {}", path.string(), why));
}

constexpr int kMaxDepth = 64;

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& path, size_t max_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return refusal(path, "file does not exist");
  if (!std::filesystem::is_regular_file(status)) return refusal(path, "not a regular file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) return refusal(path, error.message());
  if (size > max_bytes)
    return refusal(path, fmt::format("{} bytes, at most {} are read", size, max_bytes));
  std::ifstream in(path, std::ios::binary);
  if (!in) return refusal(path, "cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || text.size() != size) return refusal(path, "cannot be read to its end");
  return text;
}

Result<nlohmann::json> parse_json_file(const std::filesystem::path& path, const std::string& text) {
  bool too_deep = false;
  const auto bounded = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  try {
    nlohmann::json json = nlohmann::json::parse(text, bounded);
    if (too_deep) return refusal(path, fmt::format("nests deeper than {}", kMaxDepth));
    return json;
  } catch (const nlohmann::json::exception& e) {
    return refusal(path, fmt::format("not JSON: {}", e.what()));
  }
}

Result<nlohmann::json> read_json_file(const std::filesystem::path& path, size_t max_bytes) {
  const Result<std::string> text = read_text_file(path, max_bytes);
  if (!text.ok()) return text.error();
  return parse_json_file(path, text.value());
}

}  // namespace ember
