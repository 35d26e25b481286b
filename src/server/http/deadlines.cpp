// SPDX-License-Identifier: Apache-2.0
#include "http/deadlines.h"

namespace ember {

void Deadlines::set(int fd, TimePoint when) {
  remove(fd);
  in_order_.emplace(when, fd);
  by_fd_[fd] = when;
}

void Deadlines::remove(int fd) {
  const auto found = by_fd_.find(fd);
  if (found == by_fd_.end()) return;
  in_order_.erase({found->second, fd});
  by_fd_.erase(found);
}

TimePoint Deadlines::earliest() const {
  return in_order_.empty() ? kNever : in_order_.begin()->first;
}

std::optional<int> Deadlines::due(TimePoint now) const {
  if (in_order_.empty() || in_order_.begin()->first > now) return std::nullopt;
  return in_order_.begin()->second;
}

}  // namespace ember
