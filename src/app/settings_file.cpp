// SPDX-License-Identifier: Apache-2.0
#include "settings_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ember/base/files.h"
#include "ember/base/start_error.h"

namespace ember {

namespace {

constexpr size_t kMaxBytes = 1 << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw StartError(ExitCode::kConfig, fmt::format("{}: {}", path, why));
}

int line_at(const std::string& text, size_t offset) {
  return 1 +
         static_cast<int>(std::count(
             text.begin(), text.begin() + static_cast<long>(std::min(offset, text.size())), '\n'));
}

// Keys are plain words, so a quoted occurrence that a colon follows is the key itself: the n-th of
// them.
int line_of_key(const std::string& text, const std::string& key, int n = 1) {
  const std::string quoted = '"' + key + '"';
  for (size_t at = text.find(quoted); at != std::string::npos; at = text.find(quoted, at + 1)) {
    const size_t next = text.find_first_not_of(" \t\r\n", at + quoted.size());
    if (next != std::string::npos && text[next] == ':' && --n == 0) return line_at(text, at);
  }
  return 1;
}

std::string word(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return value.dump();
  return {};
}

}  // namespace

SettingsFile SettingsFile::read(const std::string& path) {
  const Result<std::string> read = read_text_file(path, kMaxBytes, "settings file");
  if (!read.ok()) throw StartError(ExitCode::kConfig, read.error().message);
  const std::string& text = read.value();
  std::vector<std::string> seen;
  std::string twice;
  const auto on_event = [&](int depth, nlohmann::json::parse_event_t event,
                            nlohmann::json& parsed) {
    if (event == nlohmann::json::parse_event_t::key && depth == 1) {
      if (std::find(seen.begin(), seen.end(), parsed.get<std::string>()) != seen.end())
        twice = parsed.get<std::string>();
      seen.push_back(parsed.get<std::string>());
    }
    return depth < 8;  // deeper values are refused below anyway: they read as null
  };
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text, on_event);
  } catch (const nlohmann::json::parse_error& e) {
    throw StartError(ExitCode::kConfig,
                     fmt::format("{}:{}: not JSON: {}", path,
                                 line_at(text, e.byte == 0 ? 0 : e.byte - 1), e.what()));
  }
  if (!json.is_object()) refuse(path + ":1", "settings must be one JSON object");
  if (!twice.empty())
    refuse(fmt::format("{}:{}", path, line_of_key(text, twice, 2)),
           fmt::format("key \"{}\" appears twice", twice));

  SettingsFile file;
  for (const auto& [key, value] : json.items()) {
    Entry entry{{}, line_of_key(text, key)};
    const nlohmann::json list = value.is_array() ? value : nlohmann::json::array({value});
    for (const auto& item : list) {
      if (!item.is_string() && !item.is_boolean() && !item.is_number())
        refuse(
            fmt::format("{}:{}", path, entry.line),
            fmt::format("\"{}\" must be a string, a number, a boolean or a list of those, not {}",
                        key, item.type_name()));
      entry.values.push_back(word(item));
    }
    file.entries[key] = std::move(entry);
  }
  return file;
}

}  // namespace ember
