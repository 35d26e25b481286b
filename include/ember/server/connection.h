// SPDX-License-Identifier: Apache-2.0
// One accepted client socket and what was read from it too early. Moves between gate, pool and hub;
// never shared.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

namespace ember {

class Connection {
 public:
  // `slot` counts it among the open connections for as long as it lives, wherever it goes; may be
  // null.
  explicit Connection(int fd, std::string peer = {}, std::shared_ptr<void> slot = {})
      : fd_(fd), peer_(std::move(peer)), slot_(std::move(slot)) {}
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }  // non-blocking, TCP_NODELAY
  const std::string& peer() const { return peer_; }

  std::string
      input;  // received, not yet consumed: the start of the next request when the client pipelines
  bool closing = false;  // carries no further request: whoever gets it ends it, with shutdown() and
                         // a short drain first

 private:
  const int fd_;
  const std::string peer_;
  const std::shared_ptr<void> slot_;
};

}  // namespace ember
