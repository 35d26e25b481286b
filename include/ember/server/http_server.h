// Ember's HTTP listener: an epoll gate that reads and checks whole requests, and a fixed pool that answers them through
// cpp-httplib's parser and router. No pool thread ever waits for a client.
#pragma once

#include <httplib.h>

#include <functional>
#include <memory>
#include <string>

#include "ember/base/clock.h"
#include "ember/base/result.h"
#include "ember/server/connection.h"

namespace ember {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;        // 0: any free one
  std::string uds;     // a unix socket's path instead of host and port; empty: none
  int num_threads = 4;
  int max_connections = 10000;
  size_t max_uri_bytes = 8 * 1024;
  size_t max_header_line_bytes = 8 * 1024;
  int max_headers = 100;
  size_t max_body_bytes = 16 * 1024 * 1024;
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);
  Duration idle_timeout = std::chrono::seconds(60);
};

// The body every error has, whoever sends it: {"error":{"message","type","param","code"}}.
std::string error_body(const Error& error);
int http_status(const Error& error);

class HttpServer {
 public:
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

  explicit HttpServer(const HttpOptions& options);
  ~HttpServer();  // stop()

  // Before start(). Paths are httplib patterns; unknown paths get 404, known ones with another method 405 and Allow.
  void route(const std::string& method, const std::string& path, Handler handler);
  // Runs before every handler; true when it has answered (a missing key, draining).
  void set_before(std::function<bool(const httplib::Request&, httplib::Response&)> before);

  // Binds and listens. Throws StartError: kPortInUse, kNoPermission, kUsage.
  void bind();
  int port() const;  // the chosen one
  void start();      // gate and pool threads
  void stop();       // no new connections, idle ones closed, handlers that run finish; joins

  // Inside a handler: takes the connection away; whatever the handler puts into its httplib::Response is dropped.
  static std::unique_ptr<Connection> take_connection();
  // Any thread: gives a connection (back) to the gate, which waits for its next request.
  void give_back(std::unique_ptr<Connection> connection);
  int num_connections() const;
  // Monotonic time of the gate's last turn: proof that the acceptor lives.
  TimePoint last_turn() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember
