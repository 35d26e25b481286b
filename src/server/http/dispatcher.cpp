// SPDX-License-Identifier: Apache-2.0
#include "http/dispatcher.h"

#include <set>

#include "ember/base/log.h"
#include "http/access_log.h"
#include "http/http_error.h"

namespace ember {
namespace {

void set_error(Exchange& exchange, int status, const Error& error) {
  exchange.response() = {.status = status, .headers = {}, .body = {}};
  exchange.response().set_content(error_body(error), "application/json");
}

}  // namespace

void Dispatcher::route(const std::string& method, const std::string& path, Handler handler) {
  const size_t split = path.ends_with('}') ? path.rfind('{') : path.size();
  routes_.push_back({method, path.substr(0, split), path.substr(split), std::move(handler)});
}

std::vector<std::pair<std::string, std::string>> Dispatcher::routes() const {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Route& route : routes_) list.emplace_back(route.method, route.path + route.parameter);
  return list;
}

bool Dispatcher::Route::matches(std::string_view requested) const {
  return parameter.empty() ? requested == path
                           : requested.starts_with(path) && requested.size() > path.size();
}

void Dispatcher::dispatch(Exchange& exchange) const {
  std::string reason;
  try {
    return run(exchange);
  } catch (const std::exception& e) {
    reason = e.what();
  } catch (...) {
    reason = "not an exception";
  }
  spdlog::error("http {}: handler of {} failed: {}", exchange.request_id(),
                escape_for_log(exchange.request().path), escape_for_log(reason));
  set_error(exchange, 500, Error{ErrorKind::kInternal, "internal error", "", "internal_error"});
}

void Dispatcher::run(Exchange& exchange) const {
  const HttpRequest& request = exchange.request();
  std::string allow;
  const Route* route = find(request, allow);
  if (before_ && before_(exchange)) return;
  if (route) {
    if (!route->parameter.empty())
      exchange.set_path_parameter(request.path.substr(route->path.size()));
    return route->handler(exchange);
  }
  if (allow.empty())
    return set_error(exchange, 404, Error{ErrorKind::kNotFound, "no such path", "", "not_found"});
  set_error(exchange, 405,
            Error{ErrorKind::kInvalid, "method " + request.method + " is not allowed here", "",
                  "method_not_allowed"});
  exchange.response().headers["Allow"] = allow;
}

const Dispatcher::Route* Dispatcher::find(const HttpRequest& request, std::string& allow) const {
  std::set<std::string> methods;
  for (const Route& route : routes_) {
    if (!route.matches(request.path)) continue;
    if (route.method == request.method || (route.method == "GET" && request.method == "HEAD"))
      return &route;
    methods.insert(route.method);
    if (route.method == "GET") methods.insert("HEAD");
  }
  for (const std::string& method : methods) allow += (allow.empty() ? "" : ", ") + method;
  return nullptr;
}

}  // namespace ember
