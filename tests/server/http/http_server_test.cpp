// SPDX-License-Identifier: Apache-2.0
#include "ember/server/http_server.h"

#include <sys/un.h>

#include <future>
#include <thread>

#include "base/temp_dir.h"
#include "loopback.h"

namespace ember {
namespace {

TEST(HttpServer, HandlerCanCloseTheConnection) {
  TestServer server;
  Client client = server.connect();
  client.send(get("/bye") + get("/health"));
  const std::string all = client.read_all();
  EXPECT_TRUE(all.ends_with("\r\n\r\nbye")) << all;
  EXPECT_NE(all.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(HttpServer, TakenConnectionCountsAndCanComeBack) {
  HttpServer server{HttpOptions{}};
  add_routes(server);
  std::promise<std::unique_ptr<Connection>> taken;
  server.route("GET", "/take", [&](Exchange& e) { taken.set_value(e.take()); });
  server.bind();
  server.start();
  Client client(server.port());
  client.send(get("/take") + get("/health"));  // the second is pipelined
  std::unique_ptr<Connection> connection = taken.get_future().get();
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(server.num_connections(), 1);
  EXPECT_EQ(connection->peer(), "127.0.0.1");
  ASSERT_EQ(::send(connection->fd(), "mine;", 5, MSG_NOSIGNAL), 5);
  server.give_back(std::move(connection));
  ASSERT_TRUE(client.read_until("\r\n\r\nok"));
  EXPECT_TRUE(client.received.starts_with("mine;HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServer, ClosingConnectionGivenBackEnds) {
  HttpServer server{HttpOptions{}};
  server.route("GET", "/take", [&](Exchange& e) {
    std::unique_ptr<Connection> connection = e.take();
    connection->closing = true;
    server.give_back(std::move(connection));
  });
  server.bind();
  server.start();
  Client client(server.port());
  client.send(get("/take"));
  EXPECT_EQ(client.read_all(), "");
}

TEST(HttpServer, StopLetsRunningHandlersAnswer) {
  HttpServer server{HttpOptions{}};
  std::promise<void> entered, go;
  server.route("GET", "/slow", [&](Exchange& e) {
    entered.set_value();
    go.get_future().wait();
    e.response().set_content("done", "text/plain");
  });
  server.bind();
  server.start();
  Client client(server.port()), idle(server.port());
  client.send(get("/slow"));
  entered.get_future().wait();
  std::thread stopper([&] { server.stop(); });
  EXPECT_EQ(idle.read_all(), "");  // closed while the handler still runs
  go.set_value();
  EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\ndone"));
  client.close();
  stopper.join();
  EXPECT_EQ(server.num_connections(), 0);
}

TEST(HttpServer, GateShowsThatItLives) {
  TestServer server;
  const TimePoint before = server.server.last_turn();
  for (int i = 0; i < 1000 && server.server.last_turn() <= before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GT(server.server.last_turn(), before);
}

TEST(HttpServer, ServesOnAUnixSocket) {
  HttpOptions options;
  options.uds = test::process_dir() / "http.sock";
  TestServer server(options);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  options.uds.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  Client client(Client::Adopt{}, fd);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  client.send(get("/health"));
  EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\nok"));
}

}  // namespace
}  // namespace ember
