// SPDX-License-Identifier: Apache-2.0
#include "http/client_socket.h"

#include <atomic>
#include <cerrno>
#include <thread>

#include "http/listener.h"
#include "loopback.h"

namespace ember {
namespace {

struct Accepted {
  Accepted() : listener(HttpOptions{}), client(listener.port()) {
    int fd = -1;
    while ((fd = accept_client(listener.fd())) < 0 && errno == EAGAIN) std::this_thread::yield();
    connection = open_connection(fd, slot);
  }
  const std::shared_ptr<int> slot = std::make_shared<int>(0);
  Listener listener;
  Client client;
  std::unique_ptr<Connection> connection;
};

TEST(ClientSocket, AConnectionKnowsItsPeerAndHoldsItsSlot) {
  Accepted accepted;
  EXPECT_EQ(accepted.connection->peer(), "127.0.0.1");
  EXPECT_EQ(accepted.slot.use_count(), 2);
  accepted.connection.reset();
  EXPECT_EQ(accepted.slot.use_count(), 1);
  EXPECT_EQ(accepted.client.read_all(), "");
}

TEST(ClientSocket, ErrorsOfOneClientAreToldFromThoseThatLast) {
  for (const int error : {EINTR, ECONNABORTED, EPROTO}) EXPECT_TRUE(concerns_one_client(error));
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, EPERM})
    EXPECT_FALSE(concerns_one_client(error));
}

TEST(ClientSocket, ARefusalIsAWholeAnswer) {
  Accepted accepted;
  refuse(*accepted.connection);
  const std::string answer = accepted.client.read_all();
  EXPECT_EQ(status_of(answer), 503);
  EXPECT_NE(answer.find("\r\nRetry-After: 1\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_NE(answer.find("too_many_connections"), std::string::npos);
}

TEST(ClientSocket, LingeringEndsWithTheClientOrWithTooMuch) {
  for (const bool floods : {false, true}) {
    Accepted accepted;
    accepted.connection->input = "left over";
    begin_lingering(*accepted.connection);
    EXPECT_TRUE(accepted.connection->input.empty());
    EXPECT_EQ(accepted.client.read_all(), "");
    size_t num_drained = 0;
    EXPECT_TRUE(drain(*accepted.connection, num_drained)) << "nothing has come, nobody has left";
    std::thread client([&] {
      accepted.client.send(std::string(floods ? 8 << 20 : 10, 'a'));
      if (!floods) accepted.client.close();
    });
    while (drain(*accepted.connection, num_drained)) std::this_thread::yield();
    EXPECT_EQ(num_drained > 10, floods);
    accepted.connection.reset();  // ends the client's send
    client.join();
  }
}

}  // namespace
}  // namespace ember
