// SPDX-License-Identifier: Apache-2.0
// A settings file: one flat JSON object.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace ember {

struct SettingsFile {
  struct Entry {
    std::vector<std::string> values;  // as they would be written on the command line
    int line = 0;                     // where the key stands
  };
  std::map<std::string, Entry> entries;

  // Throws StartError(kConfig) naming file, line and key: not a regular file, over 1 MiB, a syntax
  // error, not an object, a key twice, a value that is neither a string, a number, a boolean nor a
  // list of those.
  static SettingsFile read(const std::string& path);
};

}  // namespace ember
