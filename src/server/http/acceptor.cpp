// SPDX-License-Identifier: Apache-2.0
#include "http/acceptor.h"

#include <cerrno>
#include <utility>

#include "ember/base/check.h"
#include "ember/base/log.h"
#include "http/client_socket.h"

namespace ember {
namespace {

constexpr int kMaxAcceptsPerTurn = 256;
constexpr Duration kPause = std::chrono::milliseconds(100);

}  // namespace

Acceptor::Acceptor(Poller& poller, int max_connections, Accept accept)
    : poller_(poller),
      max_connections_(max_connections),
      accept_(accept ? std::move(accept) : Accept(accept_client)),
      num_connections_(std::make_shared<std::atomic<int>>(0)) {}

void Acceptor::start(int listen_fd) {
  listen_ = listen_fd;
  CHECK(poller_.add(listen_, EPOLLIN));
}

void Acceptor::stop() {
  poller_.remove(listen_);
  resume_at_ = kNever;
}

std::vector<std::unique_ptr<Connection>> Acceptor::accept(TimePoint now) {
  std::vector<std::unique_ptr<Connection>> accepted;
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    const int fd = accept_(listen_);
    if (fd < 0 && errno == EAGAIN) break;
    if (fd < 0 && concerns_one_client(errno)) continue;
    if (fd < 0) {
      spdlog::warn("http: cannot accept a connection (errno {}), trying again soon", errno);
      poller_.remove(listen_);
      resume_at_ = now + kPause;
      break;
    }
    num_connections_->fetch_add(1);
    std::shared_ptr<void> slot(nullptr, [count = num_connections_](void*) { count->fetch_sub(1); });
    std::unique_ptr<Connection> connection = open_connection(fd, std::move(slot));
    if (num_connections() > max_connections_)
      refuse(*connection);
    else
      accepted.push_back(std::move(connection));
  }
  return accepted;
}

void Acceptor::resume(TimePoint now) {
  if (now < resume_at_) return;
  resume_at_ = kNever;
  CHECK(poller_.add(listen_, EPOLLIN));
}

}  // namespace ember
