// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in a text that comes in pieces.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ember {

class StopMatcher {
 public:
  // include_stop: the stop string found is part of the text.
  StopMatcher(std::vector<std::string> stops, bool include_stop);

  struct Match {
    std::string text;                 // may be given out
    std::optional<std::string> stop;  // the stop string found; nothing may be pushed afterwards
  };
  // What could be the beginning of a stop string is held back. Of several the one that ends first
  // wins, then the first listed.
  Match push(std::string_view text);
  // The end: what was held back.
  std::string flush();

 private:
  std::vector<std::string> stops_;
  bool include_stop_;
  std::string held_;
};

}  // namespace ember
