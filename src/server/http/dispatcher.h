// SPDX-License-Identifier: Apache-2.0
// Answers one framed request: cpp-httplib's request and response types around our routes.
#pragma once

#include <httplib.h>

#include <functional>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "ember/server/connection.h"
#include "ember/server/http_server.h"
#include "http/framing.h"

namespace ember {

struct Answer {
  std::string bytes;
  int status = 0;
  bool close = true;
};

class Dispatcher : private httplib::Server {
 public:
  using Handler = HttpServer::Handler;

  Dispatcher();
  void route(const std::string& method, const std::string& path, Handler handler);
  std::vector<std::pair<std::string, std::string>> routes()
      const;  // method and path, in the order in which they were added
  void set_before(std::function<bool(const httplib::Request&, httplib::Response&)> before) {
    before_ = std::move(before);
  }

  // Any thread. The answer; `connection` is null afterwards when a handler has taken it (the answer
  // is then not to be sent).
  Answer answer(FramedRequest request, const std::string& request_id,
                std::unique_ptr<Connection>& connection);

  // See HttpServer; only inside a handler.
  static std::unique_ptr<Connection> take_connection();
  static bool keep_connection();

 private:
  struct Route {
    std::string method, path;
    std::optional<std::regex> pattern;
    Handler handler;
  };
  struct Call;

  void handle(httplib::Request& request, httplib::Response& response) const;
  bool run_before(httplib::Request& request, httplib::Response& response) const;
  void run(const Route& route, httplib::Request& request, httplib::Response& response) const;
  const Route* find(httplib::Request& request, std::string& allow) const;

  static thread_local Call* call_;
  std::vector<Route> routes_;
  std::function<bool(const httplib::Request&, httplib::Response&)> before_;
};

}  // namespace ember
