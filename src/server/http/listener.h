// SPDX-License-Identifier: Apache-2.0
// Listening sockets.
#pragma once

#include <string>

#include "ember/server/http_options.h"

namespace ember {

// Owns a listening socket; a unix socket's file is removed with it.
class Listener {
 public:
  // Throws StartError, as HttpServer::bind.
  explicit Listener(const HttpOptions& options);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_; }      // non-blocking
  int port() const { return port_; }  // 0 for a unix socket

 private:
  void listen_tcp(const HttpOptions& options);
  void listen_unix(const std::string& path);

  int fd_ = -1;
  int port_ = 0;
  std::string path_;
};

}  // namespace ember
