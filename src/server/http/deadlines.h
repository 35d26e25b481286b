// SPDX-License-Identifier: Apache-2.0
// The deadlines of sockets, in the order in which they come.
#pragma once

#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "ember/base/clock.h"

namespace ember {

// At most one deadline per socket. Used by one thread.
class Deadlines {
 public:
  // Replaces the one that the socket has.
  void set(int fd, TimePoint when);
  void remove(int fd);

  TimePoint earliest() const;  // kNever: there is none
  // The socket whose deadline is the earliest of those that have come; nullopt: none has come. The
  // caller sets or removes that deadline.
  std::optional<int> due(TimePoint now) const;

 private:
  std::unordered_map<int, TimePoint> by_fd_;
  std::set<std::pair<TimePoint, int>> in_order_;
};

}  // namespace ember
