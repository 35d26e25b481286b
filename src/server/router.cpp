#include "server/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ember/base/log.h"
#include "ember/server/http_error.h"

namespace ember {

namespace {

thread_local std::unique_ptr<Connection>* current_connection = nullptr;

// A request that is already here, and its answer.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string input) : input_(std::move(input)) {}

  std::string output;

  bool is_readable() const override { return at_ < input_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t n = std::min(size, input_.size() - at_);
    std::memcpy(to, input_.data() + at_, n);
    at_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* data, size_t size) override {
    output.append(data, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  const std::string input_;
  size_t at_ = 0;
};

// The request in the one form that leaves no question about its length.
std::string canonical(const RawRequest& request) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
  for (const auto& [name, value] : request.headers) text += fmt::format("{}: {}\r\n", name, value);
  text += fmt::format("X-Request-Id: {}\r\nContent-Length: {}\r\n\r\n", request.request_id, request.body.size());
  return text + request.body;
}

void set_error(httplib::Response& response, int status, const std::string& message, const std::string& code) {
  response.status = status;
  response.set_content(error_body(status, message, code), "application/json");
}

}  // namespace

Router::Router() {
  set_payload_max_length(SIZE_MAX);
  set_keep_alive_max_count(SIZE_MAX);
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    response.set_header("X-Request-Id", request.get_header_value("X-Request-Id"));
    if (before_ && before_(request, response)) return HandlerResponse::Handled;
    return find_route(request, response);
  });
  set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (response.body.empty()) set_error(response, response.status, reason_phrase(response.status), "");
  });
  set_exception_handler([](const httplib::Request& request, httplib::Response& response, std::exception_ptr failure) {
    std::string what = "unknown";
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      what = e.what();
    } catch (...) {
    }
    spdlog::error("{}: a handler failed: {}", request.get_header_value("X-Request-Id"), shown(what, 1000));
    set_error(response, 500, "The server failed to handle the request.", "internal_error");
  });
}

void Router::route(const std::string& method, const std::string& path, HttpServer::Handler handler) {
  routes_.push_back({method, std::regex(path)});
  if (method == "GET") Get(path, std::move(handler));
  else if (method == "POST") Post(path, std::move(handler));
  else if (method == "DELETE") Delete(path, std::move(handler));
}

httplib::Server::HandlerResponse Router::find_route(const httplib::Request& request, httplib::Response& response) {
  std::set<std::string> allowed;
  for (const Route& route : routes_) {
    if (!std::regex_match(request.path, route.path)) continue;
    allowed.insert(route.method);
    if (route.method == "GET") allowed.insert("HEAD");
  }
  if (allowed.contains(request.method)) return HandlerResponse::Unhandled;
  if (allowed.empty()) {
    set_error(response, 404, fmt::format("There is nothing at {}.", shown(request.path)), "not_found");
  } else {
    response.set_header("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
    set_error(response, 405, fmt::format("{} is not possible at {}.", request.method, shown(request.path)), "method_not_allowed");
  }
  return HandlerResponse::Handled;
}

Router::Answer Router::answer(const RawRequest& request, std::unique_ptr<Connection>& connection) {
  MemoryStream stream(canonical(request));
  current_connection = &connection;
  bool closed = false;
  process_request(stream, !request.keep_alive, closed, [](httplib::Request&) {});
  current_connection = nullptr;
  Answer answer{.bytes = std::move(stream.output)};
  answer.status = answer.bytes.size() > 12 ? std::atoi(answer.bytes.c_str() + 9) : 500;
  const size_t head = answer.bytes.find("\r\n\r\n");
  answer.close = !request.keep_alive || answer.bytes.substr(0, head).find("\r\nConnection: close") != std::string::npos;
  return answer;
}

std::unique_ptr<Connection> Router::take_connection() {
  return current_connection == nullptr ? nullptr : std::exchange(*current_connection, nullptr);
}

}  // namespace ember
