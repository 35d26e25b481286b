// SPDX-License-Identifier: Apache-2.0
// Accepts the clients of a listening socket, up to a number of open connections.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "ember/base/clock.h"
#include "ember/server/connection.h"
#include "http/poller.h"

namespace ember {

// Used by the poller's thread, except where a function says otherwise.
class Acceptor {
 public:
  using Accept = std::function<int(int listen_fd)>;  // accept4 or, in tests, something that fails

  // The poller must outlive it. max_connections: more than these, wherever they are, are refused.
  Acceptor(Poller& poller, int max_connections, Accept accept);

  // From now on the poller reports listen_fd when a client has come.
  void start(int listen_fd);
  void stop();
  int fd() const { return listen_; }  // of the listening socket; -1 before start()

  // The clients that have come, at most 256. Pauses after an error that lasts, e.g. no descriptors
  // left.
  std::vector<std::unique_ptr<Connection>> accept(TimePoint now);
  // Ends a pause that is over.
  void resume(TimePoint now);
  TimePoint resume_at() const { return resume_at_; }  // kNever: there is no pause

  // Accepted connections that are open. Any thread.
  int num_connections() const { return num_connections_->load(std::memory_order_relaxed); }

 private:
  Poller& poller_;
  const int max_connections_;
  const Accept accept_;
  const std::shared_ptr<std::atomic<int>> num_connections_;
  int listen_ = -1;
  TimePoint resume_at_ = kNever;
};

}  // namespace ember
