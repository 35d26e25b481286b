// SPDX-License-Identifier: Apache-2.0
#include "http/client_socket.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "http/access_log.h"
#include "http/http_answer.h"

namespace ember {
namespace {

constexpr size_t kMaxDrained = 1024 * 1024;

std::string peer_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[INET6_ADDRSTRLEN] = "";
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(address).sin_addr, text, sizeof text);
  if (address.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  return text;
}

}  // namespace

int accept_client(int listen_fd) {
  return ::accept4(listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

bool concerns_one_client(int error) {
  return error == EINTR || error == ECONNABORTED || error == EPROTO;
}

std::unique_ptr<Connection> open_connection(int fd, std::shared_ptr<void> slot) {
  const int on = 1;
  // Fails on unix sockets, which need none.
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::make_unique<Connection>(fd, peer_of(fd), std::move(slot));
}

void refuse(Connection& connection) {
  const std::string id = request_id_for({});
  const Error error{ErrorKind::kUnavailable, "too many connections", "", "too_many_connections"};
  const std::string bytes = error_answer(503, error, id, "Retry-After: 1\r\n");
  [[maybe_unused]] const ssize_t sent =
      ::send(connection.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(connection.fd(), SHUT_WR);
  log_access("- - " + id, 503, bytes.size(), Duration::zero());
}

void begin_lingering(Connection& connection) {
  ::shutdown(connection.fd(), SHUT_WR);
  connection.input = {};
}

bool drain(Connection& connection, size_t& num_drained) {
  thread_local char buffer[64 * 1024];
  const ssize_t count = ::recv(connection.fd(), buffer, sizeof buffer, 0);
  if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  num_drained += static_cast<size_t>(count);
  return count > 0 && num_drained <= kMaxDrained;
}

}  // namespace ember
