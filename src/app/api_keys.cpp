// SPDX-License-Identifier: Apache-2.0
#include "api_keys.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>

#include "ember/base/start_error.h"

namespace ember {

namespace {

constexpr size_t kMaxKeys = 10000, kMaxKeyBytes = 512;

void add_key(std::vector<std::string>& keys, const std::string& key, const std::string& source) {
  const bool printable =
      std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isgraph(c) != 0; });
  if (key.empty() || key.size() > kMaxKeyBytes || !printable)
    throw StartError(ExitCode::kConfig,
                     fmt::format("{}: a key is 1 to {} printable ASCII characters without spaces",
                                 source, kMaxKeyBytes));
  if (keys.size() == kMaxKeys)
    throw StartError(ExitCode::kConfig, fmt::format("{}: more than {} keys", source, kMaxKeys));
  keys.push_back(key);
}

void read_keys(std::vector<std::string>& keys, const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    throw StartError(ExitCode::kConfig,
                     fmt::format("{}: key file does not exist or is not a regular file", path));
  if ((status.st_mode & S_IROTH) != 0)
    throw StartError(ExitCode::kConfig,
                     fmt::format("{}: key file is readable by everybody (chmod o-r it)", path));
  std::ifstream in(path);
  if (!in) throw StartError(ExitCode::kConfig, fmt::format("{}: key file cannot be read", path));
  std::string line;
  const size_t before = keys.size();
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    add_key(keys, line, fmt::format("{}:{}", path, number));
  }
  if (keys.size() == before)
    throw StartError(ExitCode::kConfig, fmt::format("{}: key file holds no key", path));
}

}  // namespace

std::vector<std::string> load_api_keys(const std::vector<std::string>& flags,
                                       const std::string& file) {
  std::vector<std::string> keys;
  for (const std::string& key : flags) add_key(keys, key, "--api-key");
  if (!file.empty()) read_keys(keys, file);
  if (std::set<std::string>(keys.begin(), keys.end()).size() != keys.size())
    throw StartError(
        ExitCode::kConfig,
        "API keys: the same one is given twice, of all keys of --api-key and --api-key-file");
  return keys;
}

}  // namespace ember
