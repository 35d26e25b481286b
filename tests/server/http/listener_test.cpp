// SPDX-License-Identifier: Apache-2.0
#include "http/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/temp_dir.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

ExitCode code_of(const HttpOptions& options) {
  try {
    Listener listener(options);
  } catch (const StartError& e) {
    return e.code();
  }
  return ExitCode::kOk;
}

TEST(Listener, PortInUseIsNamed) {
  const Listener first{HttpOptions{}};
  ASSERT_GT(first.port(), 0);
  HttpOptions options;
  options.port = first.port();
  EXPECT_EQ(code_of(options), ExitCode::kPortInUse);
  try {
    Listener second(options);
  } catch (const StartError& e) {
    EXPECT_NE(std::string(e.what()).find("127.0.0.1:" + std::to_string(first.port())),
              std::string::npos)
        << e.what();
  }
}

TEST(Listener, BadHostsAreUsageErrors) {
  HttpOptions options;
  options.host = "no such host";
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
  options.host = "192.0.2.1";  // nobody's: reserved for documentation
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
}

TEST(Listener, Ipv6) {
  const int probe = ::socket(AF_INET6, SOCK_STREAM, 0);
  if (probe < 0) GTEST_SKIP() << "no IPv6";
  ::close(probe);
  HttpOptions options;
  options.host = "::1";
  try {
    const Listener listener(options);
    EXPECT_GT(listener.port(), 0);
  } catch (const StartError& e) {
    GTEST_SKIP() << e.what();
  }
}

TEST(Listener, UnixSocketReplacesAStaleFileOnly) {
  HttpOptions options;
  options.uds = test::process_dir() / "listener.sock";
  const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, options.uds.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(stale);
  {
    const Listener listener(options);
    EXPECT_EQ(code_of(options), ExitCode::kPortInUse);  // somebody listens
    EXPECT_EQ(::access(options.uds.c_str(), F_OK), 0);
  }
  EXPECT_NE(::access(options.uds.c_str(), F_OK), 0);
  const int file = ::open(options.uds.c_str(), O_CREAT | O_WRONLY, 0600);
  ::close(file);
  EXPECT_EQ(code_of(options), ExitCode::kPortInUse);  // an ordinary file is not ours to remove
  ::unlink(options.uds.c_str());
  options.uds = "/tmp/" + std::string(103, 'a');
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
}

}  // namespace
}  // namespace ember
