// cpp-httplib as a parser, router and serializer of whole requests, without its sockets and threads.
#pragma once

#include <httplib.h>

#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "ember/server/connection.h"
#include "ember/server/http_server.h"
#include "server/framing.h"

namespace ember {

class Router : private httplib::Server {
 public:
  Router();

  void route(const std::string& method, const std::string& path, HttpServer::Handler handler);
  void set_before(std::function<bool(const httplib::Request&, httplib::Response&)> before) { before_ = std::move(before); }

  struct Answer {
    std::string bytes;                       // to be sent
    int status = 0;
    bool close = false;                      // the connection, afterwards
  };
  // Answers one request. `connection` is empty afterwards if the handler took it; then the answer is void.
  Answer answer(const RawRequest& request, std::unique_ptr<Connection>& connection);

  // Inside a handler: the connection of the request being answered on this thread.
  static std::unique_ptr<Connection> take_connection();

 private:
  HandlerResponse find_route(const httplib::Request& request, httplib::Response& response);

  struct Route {
    std::string method;
    std::regex path;
  };
  std::vector<Route> routes_;
  std::function<bool(const httplib::Request&, httplib::Response&)> before_;
};

}  // namespace ember
