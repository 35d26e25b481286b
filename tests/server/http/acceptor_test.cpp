// SPDX-License-Identifier: Apache-2.0
#include "http/acceptor.h"

#include <sys/socket.h>

#include <cerrno>

#include "http/listener.h"
#include "loopback.h"

namespace ember {
namespace {

class AcceptorTest : public testing::Test {
 protected:
  // What has come once the poller reports the listening socket.
  std::vector<std::unique_ptr<Connection>> accept(Acceptor& acceptor) {
    std::vector<std::unique_ptr<Connection>> all;
    for (const epoll_event& event : poller_.wait(Clock::now() + std::chrono::seconds(20)))
      if (event.data.fd == acceptor.fd())
        for (auto& connection : acceptor.accept(kNow)) all.push_back(std::move(connection));
    return all;
  }
  bool reports_anything() { return !poller_.wait(Clock::now()).empty(); }

  static constexpr TimePoint kNow = TimePoint(std::chrono::seconds(1000));
  Poller poller_;
  const Listener listener_{HttpOptions{}};
};

TEST_F(AcceptorTest, MoreThanTheLimitAreRefused) {
  Acceptor acceptor(poller_, 2, {});
  acceptor.start(listener_.fd());
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(listener_.port());
  auto connections = accept(acceptor);
  while (connections.size() < 2)
    for (auto& connection : accept(acceptor)) connections.push_back(std::move(connection));
  while (reports_anything()) accept(acceptor);
  EXPECT_EQ(acceptor.num_connections(), 2);
  EXPECT_EQ(status_of(clients[2].read_all()), 503);
  connections.clear();
  EXPECT_EQ(acceptor.num_connections(), 0);
}

TEST_F(AcceptorTest, AnErrorThatLastsPausesIt) {
  bool fails = true;
  Acceptor acceptor(poller_, 10, [&](int fd) {
    if (fails) return errno = EMFILE, -1;
    return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
  });
  acceptor.start(listener_.fd());
  const Client client(listener_.port());
  EXPECT_TRUE(accept(acceptor).empty());
  EXPECT_FALSE(reports_anything()) << "it does not spin";
  const TimePoint resume_at = acceptor.resume_at();
  EXPECT_GT(resume_at, kNow);
  fails = false;
  acceptor.resume(kNow);
  EXPECT_FALSE(reports_anything()) << "the pause is not over";
  acceptor.resume(resume_at);
  EXPECT_EQ(acceptor.resume_at(), kNever);
  EXPECT_EQ(accept(acceptor).size(), 1u);
}

TEST_F(AcceptorTest, NobodyIsReportedAfterStop) {
  Acceptor acceptor(poller_, 10, {});
  acceptor.start(listener_.fd());
  const Client client(listener_.port());
  EXPECT_TRUE(reports_anything()) << "a client that nobody has accepted yet";
  acceptor.stop();
  EXPECT_FALSE(reports_anything());
}

TEST_F(AcceptorTest, StopEndsAPauseForGood) {
  Acceptor acceptor(poller_, 10, [](int) { return errno = EMFILE, -1; });
  acceptor.start(listener_.fd());
  const Client client(listener_.port());
  EXPECT_TRUE(accept(acceptor).empty());
  const TimePoint resume_at = acceptor.resume_at();
  ASSERT_NE(resume_at, kNever);
  acceptor.stop();
  EXPECT_EQ(acceptor.resume_at(), kNever);
  acceptor.resume(resume_at);
  EXPECT_FALSE(reports_anything());
}

}  // namespace
}  // namespace ember
