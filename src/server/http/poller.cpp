// SPDX-License-Identifier: Apache-2.0
#include "http/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "ember/base/check.h"

namespace ember {
namespace {

// As epoll_wait takes it.
int timeout_ms(TimePoint until) {
  if (until == kNever) return -1;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, INT32_MAX));
}

}  // namespace

Poller::Poller()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(epoll_ >= 0 && wake_ >= 0, "no descriptors left");
  CHECK(add(wake_, EPOLLIN));
}

Poller::~Poller() {
  ::close(wake_);
  ::close(epoll_);
}

void Poller::wake() { ::eventfd_write(wake_, 1); }

bool Poller::add(int fd, uint32_t events) {
  epoll_event event{events, {.fd = fd}};
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::change(int fd, uint32_t events) {
  epoll_event event{events, {.fd = fd}};
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void Poller::remove(int fd) { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

std::span<const epoll_event> Poller::wait(TimePoint until) {
  const int count =
      ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout_ms(until));
  const std::span<epoll_event> ready(events_.data(), static_cast<size_t>(std::max(count, 0)));
  const auto woken = std::find_if(ready.begin(), ready.end(),
                                  [this](const epoll_event& e) { return e.data.fd == wake_; });
  if (woken == ready.end()) return ready;
  eventfd_t value;
  ::eventfd_read(wake_, &value);
  *woken = ready.back();
  return ready.first(ready.size() - 1);
}

}  // namespace ember
