// SPDX-License-Identifier: Apache-2.0
// epoll, and a way to end its wait from another thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "ember/base/clock.h"

namespace ember {

class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Any thread: ends the current wait, or the next one at once.
  void wake();

  // The rest is for one thread. Events are those of epoll (EPOLLIN, ...).

  // False when the kernel has no memory for it.
  bool add(int fd, uint32_t events);
  void change(int fd, uint32_t events);
  void remove(int fd);
  // What is ready, without wakes; valid until the next call. Nothing at `until`, kNever: not before
  // a wake.
  std::span<const epoll_event> wait(TimePoint until);

 private:
  const int epoll_, wake_;
  std::array<epoll_event, 256> events_;
};

}  // namespace ember
