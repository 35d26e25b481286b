// SPDX-License-Identifier: Apache-2.0
#include "http/gate.h"

#include <sys/resource.h>

#include <random>
#include <thread>

#include "http/listener.h"
#include "loopback.h"

namespace ember {
namespace {

using std::chrono::milliseconds;

TEST(Gate, ServesAgainAfterAcceptFails) {
  const HttpOptions options;
  const Listener listener(options);
  std::atomic<int> calls{0};
  Gate* self = nullptr;
  Gate gate(
      options,
      [&](Incoming incoming) {
        self->send(std::move(incoming.connection), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      },
      [&](int fd) {
        const int errors[] = {ECONNABORTED, ENFILE, ENOBUFS, ENOMEM, EPERM, EMFILE};
        const int call = calls++;
        if (call < 6) return errno = errors[call], -1;
        return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
      });
  self = &gate;
  gate.start(listener.fd());
  Client client(listener.port());
  client.send(get("/"));
  EXPECT_EQ(status_of(client.read_answer()), 200);
  EXPECT_LT(calls, 50);  // paused instead of spinning
  EXPECT_EQ(gate.num_connections(), 1);
}

TEST(Gate, SlowHeadsDoNotDelayOthersAndEndAtTheDeadline) {
  HttpOptions options;
  options.num_threads = 1;
  options.header_timeout = std::chrono::seconds(2);
  TestServer server(options);
  std::vector<Client> slow;
  for (int i = 0; i < 50; ++i) {
    slow.push_back(server.connect());
    slow.back().send("GET /health HTTP/1.1\r\n");
  }
  Client quick = server.connect();
  quick.send(get("/health"));
  EXPECT_EQ(status_of(quick.read_answer()), 200);
  for (Client& client : slow) {
    EXPECT_TRUE(client.received.empty());
    EXPECT_EQ(status_of(client.read_answer()), 408);
  }
}

TEST(Gate, ManyIdleConnectionsEndAtTheIdleTimeout) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int count = limit.rlim_cur > 5000 ? 2000 : 200;
  HttpOptions options;
  options.idle_timeout = std::chrono::seconds(3);
  TestServer server(options);
  std::vector<Client> idle;
  for (int i = 0; i < count; ++i) idle.push_back(server.connect());
  Client active = server.connect();
  active.send(get("/health"));
  EXPECT_EQ(status_of(active.read_answer()), 200);
  for (Client& client : idle) EXPECT_EQ(client.read_all(), "");
  active.read_all();
  for (int i = 0; i < 1000 && server.server.num_connections() > 0; ++i)
    std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(server.server.num_connections(), 0);
}

TEST(Gate, ConnectionsOverTheLimitAreRefused) {
  HttpOptions options;
  options.max_connections = 2;
  TestServer server(options);
  Client first = server.connect(), second = server.connect(), third = server.connect();
  const std::string refusal = third.read_all();
  EXPECT_EQ(status_of(refusal), 503);
  EXPECT_NE(refusal.find("\r\nRetry-After: "), std::string::npos);
  for (Client* client : {&first, &second}) {
    client->send(get("/health"));
    EXPECT_EQ(status_of(client->read_answer()), 200);
  }
}

TEST(Gate, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  Client client = server.connect();
  std::string all;
  for (int i = 0; i < 200; ++i) all += post("/echo", std::to_string(i));
  client.send(all);
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(client.read_answer().ends_with("\r\n\r\n" + std::to_string(i)));
}

TEST(Gate, AnyPiecesGiveTheSameAnswers) {
  TestServer server;
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string bytes =
      post("/echo", "{\"a\": 1}") + get("/id/abc") +
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n";
  for (int round = 0; round < 20; ++round) {
    Client client = server.connect();
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = round == 0 ? 1 : std::min<size_t>(bytes.size() - at, 1 + random() % 60);
      client.send(std::string_view(bytes).substr(at, size));
      at += size;
      if (random() % 8 == 0) std::this_thread::yield();
    }
    EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\n{\"a\": 1}"));
    EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\nabc"));
    EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\nxyz"));
  }
}

TEST(Gate, LargeAnswerToASlowReaderIsWritten) {
  TestServer server;
  const std::string body(8 << 20, 'b');
  Client client = server.connect();
  client.send(post("/echo", body, "Connection: close\r\n"));
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_TRUE(client.read_all().ends_with(body));
}

}  // namespace
}  // namespace ember
