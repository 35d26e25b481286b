// SPDX-License-Identifier: Apache-2.0
#include "ember/base/json_file.h"

#include <fmt/format.h>

#include "ember/base/files.h"

namespace ember {

namespace {

constexpr int kMaxDepth = 64;

}  // namespace

Result<nlohmann::json> parse_json_file(const std::filesystem::path& path, const std::string& text) {
  const auto refusal = [&](const std::string& why) {
    return invalid("", fmt::format("{}: {}", path.string(), why));
  };
  bool too_deep = false;
  const auto bounded = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  try {
    nlohmann::json json = nlohmann::json::parse(text, bounded);
    if (too_deep) return refusal(fmt::format("nests deeper than {}", kMaxDepth));
    return json;
  } catch (const nlohmann::json::exception& e) {
    return refusal(fmt::format("not JSON: {}", e.what()));
  }
}

Result<nlohmann::json> read_json_file(const std::filesystem::path& path, size_t max_bytes) {
  const Result<std::string> text = read_text_file(path, max_bytes);
  if (!text.ok()) return text.error();
  return parse_json_file(path, text.value());
}

}  // namespace ember
