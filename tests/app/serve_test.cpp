// SPDX-License-Identifier: Apache-2.0
// The life of a server, in this process; what it answers is tested end to end in tests/e2e.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "app/model_dir.h"
#include "base/temp_dir.h"
#include "commands.h"

namespace ember {
namespace {

Settings settings() {
  Settings s;
  s.model().path = kDemoModel.string();
  s.device.kind = DeviceKind::kFake;
  s.http.admin_port = -1;
  s.device.kv_cache_bytes = 64u << 20;
  s.http.uds = test::process_dir() / "serve.sock";
  s.log.level = "error";
  return s;
}

// What the server at `path` answers; empty: nobody listens.
std::string get(const std::string& path, const std::string& target) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    (void)!::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  return answer;
}

TEST(Serve, StartsBecomesReadyAndEndsOnASignal) {
  const Settings s = settings();
  ExitCode code = ExitCode::kUsage;
  std::atomic<bool> ended{false};
  sigset_t signals;  // in every thread of this process, as the server's own have them
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread server([&] {
    code = serve(s);
    ended = true;
  });
  while (!ended && get(s.http.uds, "/readyz").find(" 200 ") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_NE(get(s.http.uds, "/v1/models").find("\"id\":\"demo-model\""), std::string::npos);
  EXPECT_THROW(serve(s), StartError);  // the address is taken
  ::kill(::getpid(), SIGTERM);
  server.join();
  EXPECT_EQ(code, ExitCode::kOk);
  EXPECT_EQ(get(s.http.uds, "/readyz"), "");
}

TEST(Serve, SaysWhyItCannotStart) {
  Settings s = settings();
  s.model().path = "/nonexistent";
  EXPECT_THROW(serve(s), StartError);
  s = settings();
  s.scheduler.max_num_seqs = 0;
  EXPECT_THROW(serve(s), StartError);
}

}  // namespace
}  // namespace ember
