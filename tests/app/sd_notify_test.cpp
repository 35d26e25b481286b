// SPDX-License-Identifier: Apache-2.0
#include "sd_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/temp_dir.h"

namespace ember {
namespace {

// What a datagram socket bound to `name` receives when we notify `path`.
std::string received(const std::string& name, const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), length), 0)
      << std::strerror(errno);
  sd_notify(path, "READY=1");
  char buffer[64];
  const ssize_t n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  ::close(fd);
  return n < 0 ? "" : std::string(buffer, static_cast<size_t>(n));
}

TEST(SdNotify, ReachesPathsAndAbstractSockets) {
  const std::string path = test::process_dir() / "sd_notify";
  ::unlink(path.c_str());
  EXPECT_EQ(received(path, path), "READY=1");
  ::unlink(path.c_str());
  const std::string name = "ember_sd_notify_test_" + std::to_string(::getpid());
  EXPECT_EQ(received(std::string(1, '\0') + name, "@" + name), "READY=1");
}

TEST(SdNotify, NobodyListeningIsFine) {
  sd_notify("", "READY=1");
  sd_notify("/nonexistent/socket", "READY=1");
  sd_notify(std::string(200, 'x'), "READY=1");
}

}  // namespace
}  // namespace ember
