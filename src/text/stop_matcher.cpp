// SPDX-License-Identifier: Apache-2.0
#include "ember/text/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "scan.h"

namespace ember {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop)
    : stops_(std::move(stops)), include_stop_(include_stop) {
  std::erase(stops_, std::string());
}

StopMatcher::Match StopMatcher::push(std::string_view text) {
  held_.append(text);
  size_t first_end = std::string::npos;
  const std::string* found = nullptr;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos || at + stop.size() >= first_end) continue;
    first_end = at + stop.size();
    found = &stop;
  }
  if (found != nullptr) {
    Match match{held_.substr(0, include_stop_ ? first_end : first_end - found->size()), *found};
    held_.clear();
    return match;
  }
  size_t keep = 0;
  for (const std::string& stop : stops_) keep = std::max(keep, scan::overlap(held_, stop));
  Match match{held_.substr(0, held_.size() - keep), std::nullopt};
  held_.erase(0, held_.size() - keep);
  return match;
}

std::string StopMatcher::flush() { return std::exchange(held_, {}); }

}  // namespace ember
