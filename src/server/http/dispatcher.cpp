// SPDX-License-Identifier: Apache-2.0
#include "http/dispatcher.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "ember/base/check.h"
#include "ember/base/log.h"
#include "http/http_message.h"

namespace ember {
namespace {

constexpr size_t kMaxRoutedPath = 1024;  // std::regex recurses once per character

// Headers that cpp-httplib would act on, or that it sets itself from them.
bool is_hidden(const std::string& name) {
  for (const char* hidden :
       {"Range", "If-Range", "Accept", "Expect", "Connection", "Transfer-Encoding",
        "Content-Length", "X-Request-Id", "REMOTE_ADDR", "REMOTE_PORT", "LOCAL_ADDR", "LOCAL_PORT"})
    if (equal_ignoring_case(name, hidden)) return true;
  return false;
}

// A request line to read, and a buffer for the answer.
class MemoryStream final : public httplib::Stream {
 public:
  MemoryStream(std::string input, const std::string& peer)
      : input_(std::move(input)), peer_(peer) {}

  bool is_readable() const override { return read_ < input_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* out, size_t size) override {
    const size_t count = std::min(size, input_.size() - read_);
    std::memcpy(out, input_.data() + read_, count);
    read_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* data, size_t size) override {
    output.append(data, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip = peer_, port = 0; }
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string output;

 private:
  const std::string input_;
  const std::string peer_;
  size_t read_ = 0;
};

void set_error(httplib::Response& response, int status, const Error& error) {
  response.status = status;
  response.headers.erase("Content-Type");
  response.set_content(error_body(error), "application/json");
}

}  // namespace

struct Dispatcher::Call {
  std::unique_ptr<Connection>& connection;
  const std::string& request_id;
  bool keep = false;
  bool taken = false;
  int status = 0;
  httplib::Request* request = nullptr;
};

thread_local Dispatcher::Call* Dispatcher::call_ = nullptr;

Dispatcher::Dispatcher() {
  set_keep_alive_max_count(1000000);
  set_keep_alive_timeout(60);
  set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
    handle(*call_->request, response);
    return HandlerResponse::Handled;
  });
}

void Dispatcher::route(const std::string& method, const std::string& path, Handler handler) {
  Route route{method, path, std::nullopt, std::move(handler)};
  if (path.find('(') != std::string::npos) route.pattern.emplace(path);
  routes_.push_back(std::move(route));
}

std::vector<std::pair<std::string, std::string>> Dispatcher::routes() const {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Route& route : routes_) list.emplace_back(route.method, route.path);
  return list;
}

std::unique_ptr<Connection> Dispatcher::take_connection() {
  CHECK(call_ != nullptr && !call_->taken, "take_connection outside a handler, or twice");
  call_->taken = true;
  return std::move(call_->connection);
}

bool Dispatcher::keep_connection() {
  CHECK(call_ != nullptr, "keep_connection outside a handler");
  return call_->keep;
}

Answer Dispatcher::answer(FramedRequest framed, const std::string& request_id,
                          std::unique_ptr<Connection>& connection) {
  Call call{connection, request_id, framed.keep_alive};
  call_ = &call;
  MemoryStream stream(framed.method + " " + framed.target + " HTTP/1.1\r\n\r\n",
                      connection->peer());
  bool closed = false, ok = false;
  try {
    ok = process_request(stream, !framed.keep_alive, closed, [&](httplib::Request& request) {
      call.request = &request;
      for (auto& [name, value] : framed.headers)
        if (!is_hidden(name)) request.headers.emplace(std::move(name), std::move(value));
      request.set_header("X-Request-Id", request_id);
      request.body = std::move(framed.body);
    });
  } catch (const std::exception& e) {
    spdlog::error("http {}: {}", request_id, e.what());
  }
  call_ = nullptr;
  if (call.taken) return {};
  if (ok && call.request) return {std::move(stream.output), call.status, !call.keep};
  const Error error{ErrorKind::kInternal, "internal error", "", "internal_error"};
  return {error_answer(500, error, request_id), 500, true};
}

// cpp-httplib adds its own Connection header: one that a handler set becomes ours to decide.
void Dispatcher::handle(httplib::Request& request, httplib::Response& response) const {
  std::string allow;
  const Route* route = find(request, allow);
  if (run_before(request, response)) {
    // answered
  } else if (route) {
    run(*route, request, response);
  } else if (!allow.empty()) {
    set_error(response, 405,
              Error{ErrorKind::kInvalid, "method " + request.method + " is not allowed here", "",
                    "method_not_allowed"});
    response.set_header("Allow", allow);
  } else {
    set_error(response, 404, Error{ErrorKind::kNotFound, "no such path", "", "not_found"});
  }
  if (response.status < 0) response.status = 200;
  if (equal_ignoring_case(response.get_header_value("Connection"), "close")) call_->keep = false;
  response.headers.erase("Connection");
  if (!call_->keep) request.set_header("Connection", "close");
  for (const char* name : {"X-Request-Id", "Request-Id"}) {
    response.headers.erase(name);
    response.set_header(name, call_->request_id);
  }
  call_->status = response.status;
}

// What it throws is answered as what a handler throws.
bool Dispatcher::run_before(httplib::Request& request, httplib::Response& response) const {
  if (!before_) return false;
  bool answered = true;
  run({"", request.path, std::nullopt,
       [&](const httplib::Request& r, httplib::Response& a) { answered = before_(r, a); }},
      request, response);
  return answered;
}

void Dispatcher::run(const Route& route, httplib::Request& request,
                     httplib::Response& response) const {
  try {
    route.handler(request, response);
  } catch (const std::exception& e) {
    spdlog::error("http {}: handler of {} failed: {}", call_->request_id, route.path,
                  escape_for_log(e.what()));
    response = httplib::Response();
    set_error(response, 500, Error{ErrorKind::kInternal, "internal error", "", "internal_error"});
  } catch (...) {
    response = httplib::Response();
    set_error(response, 500, Error{ErrorKind::kInternal, "internal error", "", "internal_error"});
  }
}

const Dispatcher::Route* Dispatcher::find(httplib::Request& request, std::string& allow) const {
  if (request.path.size() > kMaxRoutedPath) return nullptr;
  std::set<std::string> methods;
  for (const Route& route : routes_) {
    if (route.pattern ? !std::regex_match(request.path, request.matches, *route.pattern)
                      : request.path != route.path)
      continue;
    if (route.method == request.method || (route.method == "GET" && request.method == "HEAD"))
      return &route;
    methods.insert(route.method);
    if (route.method == "GET") methods.insert("HEAD");
  }
  for (const std::string& method : methods) allow += (allow.empty() ? "" : ", ") + method;
  return nullptr;
}

}  // namespace ember
