// One accepted client socket and what was read from it too early. Moves between gate, pool and hub; never shared.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "ember/base/clock.h"

namespace ember {

class Connection {
 public:
  explicit Connection(int fd, std::string peer = {}) : fd_(fd), peer_(std::move(peer)) {}
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }  // non-blocking, TCP_NODELAY
  const std::string& peer() const { return peer_; }

  std::string input;  // received, not yet consumed: the start of the next request when the client pipelines

 private:
  const int fd_;
  const std::string peer_;
};

}  // namespace ember
