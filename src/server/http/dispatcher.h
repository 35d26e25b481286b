// SPDX-License-Identifier: Apache-2.0
// Finds the handler of a request and runs it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ember/server/exchange.h"

namespace ember {

// route() and set_before() come before the first dispatch(), which any thread may call.
class Dispatcher {
 public:
  using Before = std::function<bool(Exchange&)>;

  // See HttpServer.
  void route(const std::string& method, const std::string& path, Handler handler);
  void set_before(Before before) { before_ = std::move(before); }
  std::vector<std::pair<std::string, std::string>> routes() const;

  // Afterwards a handler has taken the connection, or the response is complete. Handlers that throw
  // are answered 500.
  void dispatch(Exchange& exchange) const;

 private:
  struct Route {
    std::string method;
    std::string path;       // with a parameter: up to and with the '/' before it
    std::string parameter;  // "{name}"; empty: none
    Handler handler;

    bool matches(std::string_view requested) const;
  };

  void run(Exchange& exchange) const;
  // Null: none; `allow` becomes the methods of the path's other routes, empty if it has none.
  const Route* find(const HttpRequest& request, std::string& allow) const;

  std::vector<Route> routes_;
  Before before_;
};

}  // namespace ember
