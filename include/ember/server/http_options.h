// SPDX-License-Identifier: Apache-2.0
// What an HTTP listener can be told.
#pragma once

#include <chrono>
#include <string>

#include "ember/base/clock.h"

namespace ember {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;     // 0: any free one
  std::string uds;  // a unix socket's path instead of host and port; empty: none

  int num_threads = 4;  // of the pool
  int max_connections = 10000;
  size_t max_uri_bytes = 8 * 1024;
  size_t max_header_line_bytes = 8 * 1024;  // with its CRLF
  int max_headers = 100;
  size_t max_body_bytes = 16 * 1024 * 1024;

  // From a request's first byte to the end of its head, and from there to the end of its body.
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);
  // Between requests. The client is closed without an answer.
  Duration idle_timeout = std::chrono::seconds(60);
  // For a whole answer of the pool.
  Duration write_timeout = std::chrono::seconds(30);
};

}  // namespace ember
