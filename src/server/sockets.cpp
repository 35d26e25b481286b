#include "server/sockets.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "ember/base/start_error.h"

namespace ember {

namespace {

constexpr int kBacklog = 4096;

[[noreturn]] void cannot_listen(int fd, const std::string& where, int error) {
  if (fd >= 0) ::close(fd);
  const ExitCode code = error == EACCES || error == EPERM ? ExitCode::kNoPermission : error == EADDRINUSE ? ExitCode::kPortInUse : ExitCode::kUsage;
  const std::string hint = error == EADDRINUSE ? " (is another server running?)" : "";
  throw StartError(code, fmt::format("cannot listen on {}: {}{}", where, std::strerror(error), hint));
}

int listen_unix(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path)
    throw StartError(ExitCode::kUsage, fmt::format("--uds: the path has {} bytes, at most {} are possible", path.size(), sizeof address.sun_path - 1));
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) cannot_listen(fd, path, errno);
  // A socket file that nobody listens on is left over from a process that was killed.
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(probe, generic, sizeof address) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
  ::close(probe);
  if (::bind(fd, generic, sizeof address) != 0 || ::listen(fd, kBacklog) != 0) cannot_listen(fd, path, errno);
  return fd;
}

int listen_tcp(const std::string& host, int port) {
  std::string name = host;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  if (const int error = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0)
    throw StartError(ExitCode::kUsage, fmt::format("--host {}: {}", host, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  const std::string where = fmt::format("{}:{}", host, port);
  int error = 0;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    const int fd = ::socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // never SO_REUSEPORT: a second server must fail, not share
    if (::bind(fd, info->ai_addr, info->ai_addrlen) == 0 && ::listen(fd, kBacklog) == 0) return fd;
    error = errno;
    ::close(fd);
  }
  cannot_listen(-1, where, error);
}

}  // namespace

int open_listener(const HttpOptions& options) { return options.uds.empty() ? listen_tcp(options.host, options.port) : listen_unix(options.uds); }

int port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return 0;
}

Io send_some(int fd, std::string_view data, size_t& sent) {
  while (sent < data.size()) {
    const ssize_t n = ::send(fd, data.data() + sent, data.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    else if (n < 0 && errno == EINTR) continue;
    else return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Io::kAgain : Io::kClosed;
  }
  return Io::kDone;
}

Io receive_some(int fd, std::string& input, size_t max_bytes) {
  constexpr size_t kPiece = 64 * 1024;
  for (size_t total = 0; total < max_bytes;) {
    const size_t before = input.size();
    input.resize(before + kPiece);
    const ssize_t n = ::recv(fd, input.data() + before, kPiece, MSG_DONTWAIT);
    input.resize(before + static_cast<size_t>(n > 0 ? n : 0));
    if (n == 0) return Io::kClosed;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? Io::kAgain : Io::kClosed;
    total += static_cast<size_t>(n);
    if (static_cast<size_t>(n) < kPiece) return Io::kAgain;
  }
  return Io::kDone;
}

int make_event_fd() { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void wake(int event_fd) {
  const uint64_t one = 1;
  (void)!::write(event_fd, &one, sizeof one);
}

void drain(int event_fd) {
  uint64_t count = 0;
  (void)!::read(event_fd, &count, sizeof count);
}

}  // namespace ember
