// SPDX-License-Identifier: Apache-2.0
// Which part of a mapped file lies in memory.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace ember {

// The bytes in memory of the mapping that holds the address, as Linux counts them ("Rss").
inline size_t resident_bytes(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    if (words >> std::hex >> begin >> dash >> end && dash == '-') {
      inside = begin <= wanted && wanted < end;
    } else if (inside && line.starts_with("Rss:")) {
      return std::stoul(line.substr(4)) * 1024;
    }
  }
  return 0;
}

// Reads every page of the bytes, so that they are resident.
inline void touch(const void* data, size_t bytes) {
  const auto* begin = static_cast<const volatile char*>(data);
  for (size_t i = 0; i < bytes; i += 4096) static_cast<void>(begin[i]);
  if (bytes > 0) static_cast<void>(begin[bytes - 1]);
}

}  // namespace ember
