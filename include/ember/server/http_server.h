// SPDX-License-Identifier: Apache-2.0
// Ember's HTTP listener: an epoll gate that reads and checks whole requests, and a fixed pool of
// threads that runs their handlers. No pool thread ever waits for a client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ember/base/clock.h"
#include "ember/server/exchange.h"
#include "ember/server/http_options.h"

namespace ember {

class HttpServer {
 public:
  using Handler = ember::Handler;
  using Before = std::function<bool(Exchange&)>;

  explicit HttpServer(const HttpOptions& options);
  ~HttpServer();  // stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Before start(). A path matches exactly, but one that ends with "/{name}" matches whatever is
  // not empty there (Exchange::path_parameter). Unknown paths get 404, known ones with another
  // method 405 and Allow; HEAD goes to GET's handler. A handler that throws is answered 500.
  void route(const std::string& method, const std::string& path, Handler handler);
  // All of them: method and path.
  std::vector<std::pair<std::string, std::string>> routes() const;
  // Runs before every handler, and also for paths that do not exist; true when it has answered (a
  // missing key, draining).
  void set_before(Before before);

  // Any thread, also before start(): what a request goes through once it has been read. Afterwards
  // a handler has taken the connection, or the response is complete.
  void dispatch(Exchange& exchange) const;

  // Binds and listens. Throws StartError: kPortInUse, kNoPermission, kUsage.
  void bind();
  int port() const;  // the chosen one
  void start();      // gate and pool threads
  // No new connections; idle ones are closed; handlers that run finish and are answered. Joins.
  void stop();

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
