// SPDX-License-Identifier: Apache-2.0
#include "sse_reader.h"

namespace ember {

std::vector<std::string> SseReader::push(std::string_view bytes) {
  rest_.append(bytes);
  std::vector<std::string> events;
  size_t begin = 0;
  for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
    std::string_view line = std::string_view(rest_).substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.starts_with("data:")) continue;
    line.remove_prefix(5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    events.emplace_back(line);
  }
  rest_.erase(0, begin);
  return events;
}

}  // namespace ember
