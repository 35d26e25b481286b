// SPDX-License-Identifier: Apache-2.0
// Server-sent events from bytes that arrive in any pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ember {

class SseReader {
 public:
  // The payloads of the `data:` events that `bytes` completes. Comments and other fields are
  // skipped.
  std::vector<std::string> push(std::string_view bytes);

 private:
  std::string rest_;  // an unfinished line
};

}  // namespace ember
