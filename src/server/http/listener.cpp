// SPDX-License-Identifier: Apache-2.0
#include "http/listener.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "ember/base/start_error.h"

namespace ember {
namespace {

constexpr int kBacklog = 4096;
constexpr int kFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

[[noreturn]] void fail(const std::string& where, int error) {
  const ExitCode code = error == EADDRINUSE                 ? ExitCode::kPortInUse
                        : error == EACCES || error == EPERM ? ExitCode::kNoPermission
                                                            : ExitCode::kUsage;
  throw StartError(code, fmt::format("cannot listen on {}: {}", where, std::strerror(error)));
}

// Whether somebody accepts connections there.
bool is_alive(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, kFlags, 0);
  const bool alive =
      fd >= 0 && (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                  errno == EAGAIN);
  if (fd >= 0) ::close(fd);
  return alive;
}

int bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port)
                                       : ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace

Listener::Listener(const HttpOptions& options) {
  try {
    options.uds.empty() ? listen_tcp(options) : listen_unix(options.uds);
  } catch (...) {
    if (fd_ >= 0) ::close(fd_);
    throw;
  }
}

Listener::~Listener() {
  ::close(fd_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

// SO_REUSEADDR only: with SO_REUSEPORT a second daemon would start unnoticed and share the port.
void Listener::listen_tcp(const HttpOptions& options) {
  const std::string where = fmt::format("{}:{}", options.host, options.port);
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  const int rc =
      ::getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (rc != 0)
    throw StartError(ExitCode::kUsage,
                     fmt::format("cannot resolve host {}: {}", options.host, ::gai_strerror(rc)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> holder(found, ::freeaddrinfo);
  fd_ = ::socket(found->ai_family, kFlags, 0);
  if (fd_ < 0) fail(where, errno);
  const int on = 1;
  ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd_, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd_, kBacklog) != 0)
    fail(where, errno);
  port_ = bound_port(fd_);
}

void Listener::listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw StartError(ExitCode::kUsage,
                     fmt::format("the socket path {} has {} bytes, at most {} are possible", path,
                                 path.size(), sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat info{};
  const bool is_socket = ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
  if (is_socket && !is_alive(address))
    ::unlink(path.c_str());  // left behind by a process that was killed
  fd_ = ::socket(AF_UNIX, kFlags, 0);
  if (fd_ < 0) fail(path, errno);
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail(path, errno);
  path_ = path;
  if (::listen(fd_, kBacklog) != 0) fail(path, errno);
}

}  // namespace ember
