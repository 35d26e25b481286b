// SPDX-License-Identifier: Apache-2.0
// A raw client for loopback tests, and a server with a few routes.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ember/server/http_server.h"

namespace ember {

class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  struct Adopt {};
  Client(Adopt, int fd) : fd_(fd) {}
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Client() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd() const { return fd_; }

  // The server may have answered and closed already: that is for the reader to see.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }

  // Appends what comes to `received` until it contains `text` at or after `from`; false at the
  // connection's end or after 20 s.
  bool read_until(std::string_view text, size_t from = 0) {
    while (received.find(text, from) == std::string::npos)
      if (!read_more()) return false;
    return true;
  }
  // Everything up to the connection's end.
  std::string read_all() {
    while (read_more()) {
    }
    EXPECT_TRUE(ended) << "the server kept the connection open; received: " << received;
    return received;
  }
  // The next whole answer (with Content-Length), taken out of `received`; empty at the connection's
  // end.
  std::string read_answer(bool has_body = true) {
    if (!read_until("\r\n\r\n")) return {};
    size_t size = received.find("\r\n\r\n") + 4;
    const size_t length = received.find("Content-Length: ");
    if (has_body && length < size) size += std::stoul(received.substr(length + 16));
    while (received.size() < size)
      if (!read_more()) return {};
    std::string answer = received.substr(0, size);
    received.erase(0, size);
    return answer;
  }

  std::string received;
  bool ended = false;

 private:
  bool read_more() {
    pollfd p{fd_, POLLIN, 0};
    if (ended || ::poll(&p, 1, 20000) <= 0) return false;
    char buffer[65536];
    const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
    if (count <= 0)
      ended = true;
    else
      received.append(buffer, static_cast<size_t>(count));
    return count > 0;
  }

  int fd_;
};

inline int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

// GET /health, POST /echo (answers its body), GET /id/{name}, GET /throw, GET /bye (closes).
inline void add_routes(HttpServer& server) {
  server.route("GET", "/health", [](Exchange& e) { e.response().set_content("ok", "text/plain"); });
  server.route("POST", "/echo",
               [](Exchange& e) { e.response().set_content(e.request().body, "application/json"); });
  server.route("GET", "/id/{name}",
               [](Exchange& e) { e.response().set_content(e.path_parameter(), "text/plain"); });
  server.route("GET", "/throw", [](Exchange&) { throw std::runtime_error("secret"); });
  server.route("GET", "/bye", [](Exchange& e) {
    e.response().close = true;
    e.response().set_content("bye", "text/plain");
  });
}

struct TestServer {
  explicit TestServer(const HttpOptions& options = {}) : server(options) {
    add_routes(server);
    server.bind();
    server.start();
  }
  Client connect() const { return Client(server.port()); }
  HttpServer server;
};

inline std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}
inline std::string post(const std::string& target, const std::string& body,
                        const std::string& headers = "") {
  return "POST " + target +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

}  // namespace ember
