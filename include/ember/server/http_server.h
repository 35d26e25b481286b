// SPDX-License-Identifier: Apache-2.0
// Ember's HTTP listener: an epoll gate that reads and checks whole requests, and a fixed pool that
// answers them through cpp-httplib's request and response types. No pool thread ever waits for a
// client.
#pragma once

#include <httplib.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ember/base/clock.h"
#include "ember/base/result.h"
#include "ember/server/connection.h"

namespace ember {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;     // 0: any free one
  std::string uds;  // a unix socket's path instead of host and port; empty: none
  int num_threads = 4;
  int max_connections = 10000;
  size_t max_uri_bytes = 8 * 1024;  // at most 8 KiB, cpp-httplib's own limit
  size_t max_header_line_bytes = 8 * 1024;
  int max_headers = 100;
  size_t max_body_bytes = 16 * 1024 * 1024;
  Duration header_timeout =
      std::chrono::seconds(10);  // from a request's first byte to the end of its head
  Duration body_timeout = std::chrono::seconds(30);  // from there to the end of its body
  Duration idle_timeout =
      std::chrono::seconds(60);  // without any byte; the client is closed without an answer
  Duration write_timeout = std::chrono::seconds(30);  // for a whole answer of the pool
};

// The body every error has, whoever sends it: {"error":{"message","type","param","code"}}. Never
// throws on bad UTF-8.
std::string error_body(const Error& error);
// By kind; code "invalid_api_key" is 401 and "deadline_exceeded" 504.
int http_status(const Error& error);

class HttpServer {
 public:
  // Sees the request with X-Request-Id set: the client's if it is well-formed, else a new one. The
  // answer carries the same.
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

  explicit HttpServer(const HttpOptions& options);
  ~HttpServer();  // stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Before start(). A path with '(' is a regular expression (its groups in Request::matches), any
  // other matches exactly. Unknown paths get 404, known ones with another method 405 and Allow;
  // HEAD goes to GET's handler. A handler that throws is answered 500. An answer with "Connection:
  // close" ends the connection.
  void route(const std::string& method, const std::string& path, Handler handler);
  // All of them: method and path.
  std::vector<std::pair<std::string, std::string>> routes() const;
  // Runs before every handler, and also for paths that do not exist; true when it has answered (a
  // missing key, draining).
  void set_before(std::function<bool(const httplib::Request&, httplib::Response&)> before);

  // Binds and listens. Throws StartError: kPortInUse, kNoPermission, kUsage.
  void bind();
  int port() const;  // the chosen one
  void start();      // gate and pool threads
  void
  stop();  // no new connections, idle ones closed, handlers that run finish and are answered; joins

  // Inside a handler: takes the connection away; whatever the handler puts into its
  // httplib::Response is dropped. The new owner writes the whole answer and the access-log line
  // (the hub does both).
  static std::unique_ptr<Connection> take_connection();
  // Inside a handler: whether the client lets the connection carry another request (else the answer
  // says close).
  static bool keep_connection();
  // Any thread: gives a connection (back) to the gate, which waits for its next request, or ends it
  // when it is closing.
  void give_back(std::unique_ptr<Connection> connection);
  int num_connections() const;  // open now, wherever they are
  // Monotonic time of the gate's last turn (at least two a second): proof that the acceptor lives.
  TimePoint last_turn() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember
