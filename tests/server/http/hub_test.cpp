// SPDX-License-Identifier: Apache-2.0
#include "ember/server/hub.h"

#include <fcntl.h>

#include <set>
#include <thread>

#include "ember/base/mutex.h"
#include "loopback.h"

namespace ember {
namespace {

using std::chrono::milliseconds;

// Waits for something that another thread brings about; false after 20 s.
template <class F>
bool eventually(F&& condition) {
  for (int i = 0; i < 4000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

// What the hub asks of the generator, and what came of the answers.
struct Books {
  Mutex mu;
  std::set<RequestId> submitted, cancelled;
  int disconnects = 0, done = 0, closing = 0;
  std::vector<std::unique_ptr<Connection>> returned;

  bool has_submitted(RequestId id) {
    MutexLock lock(mu);
    return submitted.contains(id);
  }
  bool has_cancelled(RequestId id) {
    MutexLock lock(mu);
    return cancelled.contains(id);
  }
  int num_disconnects() {
    MutexLock lock(mu);
    return disconnects;
  }
  int num_done() {
    MutexLock lock(mu);
    return done;
  }
};

class BookingGenerator final : public Generator {
 public:
  explicit BookingGenerator(Books& books) : books_(books) {}
  void submit(RequestRef request) override {
    MutexLock lock(books_.mu);
    books_.submitted.insert(request->id);
  }
  void cancel(RequestId id) override {
    MutexLock lock(books_.mu);
    books_.cancelled.insert(id);
  }
  std::future<std::vector<SequenceTrace>> traces() override { return {}; }
  bool failed() const override { return false; }
  TimePoint last_progress() const override { return Clock::now(); }

 private:
  Books& books_;
};

// Sends "head;", then each token as "<token>;" (a large filler for token 1000), and "end;" after
// the last of its requests.
class ScriptedResponse final : public Response {
 public:
  ScriptedResponse(Books& books, int num_requests, bool keep = true)
      : books_(books), left_(num_requests), keep_(keep) {}
  void start(std::string& out) override { out += "head;"; }
  void on_event(const TokenOutput& event, std::string& out,
                std::vector<RequestId>& cancels) override {
    if (event.token == 666) throw std::runtime_error("response failed");
    if (event.token == 1000)
      out.append(100000, 'x');
    else if (event.token >= 0)
      out += std::to_string(event.token) + ";";
    const bool stop_string = event.token == 7;
    if (stop_string) cancels.push_back(event.request_id);
    if ((event.finish != FinishReason::kNone || stop_string) && --left_ == 0) {
      out += "end;";
      finished_ = true;
    }
  }
  void fail(const Error& error, std::string& out) override {
    out += "error:" + error.code + ";";
    finished_ = true;
  }
  void on_disconnect() override {
    MutexLock lock(books_.mu);
    ++books_.disconnects;
  }
  void keep_alive(std::string& out) override { out += ":;"; }
  bool finished() const override { return finished_; }
  bool keep_connection() const override { return keep_; }
  int status() const override { return 200; }
  const std::string& access_line() const override { return line_; }

 private:
  Books& books_;
  int left_;
  const bool keep_;
  bool finished_ = false;
  const std::string line_ = "GET /test id";
};

class HubTest : public testing::Test {
 protected:
  void begin(const HubOptions& options = {}) {
    hub = std::make_unique<ResponseHub>(options, [this](std::unique_ptr<Connection> connection) {
      MutexLock lock(books.mu);
      ++books.done;
      books.closing += connection->closing;
      books.returned.push_back(std::move(connection));
    });
    hub->start();
  }

  Client adopt(std::vector<RequestId> ids, bool keep = true, const std::string& input = "") {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
    std::vector<RequestRef> requests;
    for (const RequestId id : ids) requests.push_back(share({.id = id}));
    auto connection = std::make_unique<Connection>(fds[0]);
    connection->input = input;
    hub->adopt(std::move(connection),
               std::make_unique<ScriptedResponse>(books, static_cast<int>(ids.size()), keep),
               std::move(requests), generator);
    return Client(Client::Adopt{}, fds[1]);
  }
  void token(RequestId id, int token, FinishReason finish = FinishReason::kNone) {
    hub->on_step({TokenOutput{.request_id = id, .token = token, .finish = finish}}, StepReport{});
  }

  Books books;
  std::shared_ptr<Generator> generator = std::make_shared<BookingGenerator>(books);
  std::unique_ptr<ResponseHub> hub;
};

TEST_F(HubTest, WholeAnswerThenConnectionComesBackWithWhatWasPipelined) {
  begin();
  Client client = adopt({1, 2}, true, "next");
  ASSERT_TRUE(eventually([&] { return books.has_submitted(2); }));
  token(1, 11);
  token(2, 22, FinishReason::kLength);
  token(1, -1, FinishReason::kStop);
  EXPECT_TRUE(client.read_until("end;"));
  EXPECT_EQ(client.received, "head;11;22;end;");
  ASSERT_TRUE(eventually([&] { return books.num_done() == 1; }));
  EXPECT_EQ(books.returned[0]->input, "next");
  EXPECT_FALSE(books.returned[0]->closing);
  EXPECT_EQ(hub->num_open(), 0);
  EXPECT_TRUE(books.cancelled.empty());
  EXPECT_EQ(books.disconnects, 0);
}

TEST_F(HubTest, ClosingConnectionIsMarked) {
  begin();
  Client client = adopt({1}, false);
  token(999, 5);  // nobody's
  ASSERT_TRUE(eventually([&] { return books.has_submitted(1); }));
  token(1, 3, FinishReason::kStop);
  ASSERT_TRUE(eventually([&] { return books.num_done() == 1; }));
  EXPECT_EQ(books.closing, 1);
}

TEST_F(HubTest, StopStringCancelsAndLateTokensAreIgnored) {
  begin();
  Client client = adopt({1, 2});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(2); }));
  token(1, 7);
  token(1, 8);
  ASSERT_TRUE(eventually([&] { return books.has_cancelled(1); }));
  token(2, 9, FinishReason::kStop);
  EXPECT_TRUE(client.read_until("end;"));
  EXPECT_EQ(client.received, "head;7;9;end;");
}

TEST_F(HubTest, AbortCancelsAndTheAnswerGetsItsLastEvent) {
  begin();
  Client client = adopt({1});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(1); }));
  hub->abort({99, 1});
  ASSERT_TRUE(eventually([&] { return books.has_cancelled(1); }));
  EXPECT_FALSE(books.has_cancelled(99)) << "nobody runs it";
  token(1, -1, FinishReason::kCancelled);
  EXPECT_TRUE(client.read_until("end;"));
  EXPECT_EQ(client.received, "head;end;");
}

TEST_F(HubTest, AGeneratorLivesAsLongAsItsAnswers) {
  begin();
  Client first = adopt({1}), second = adopt({2});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(2); }));
  const std::weak_ptr<Generator> watched = std::exchange(generator, nullptr);
  token(1, 5, FinishReason::kStop);
  EXPECT_TRUE(first.read_until("end;"));
  ASSERT_TRUE(eventually([&] { return hub->num_open() == 1; }));
  EXPECT_FALSE(watched.expired());
  token(2, 5, FinishReason::kStop);
  EXPECT_TRUE(second.read_until("end;"));
  EXPECT_TRUE(eventually([&] { return watched.expired(); }));
}

TEST_F(HubTest, DisconnectInEachPhaseCancels) {
  begin();
  {
    Client gone_before_any_token = adopt({1});
  }
  EXPECT_TRUE(eventually([&] { return books.has_cancelled(1); }));
  {
    Client in_the_middle = adopt({2, 3});
    ASSERT_TRUE(eventually([&] { return books.has_submitted(3); }));
    token(2, 5);
    EXPECT_TRUE(in_the_middle.read_until("5;"));
    token(3, 5, FinishReason::kStop);
    EXPECT_TRUE(in_the_middle.read_until("5;", in_the_middle.received.size()));
  }
  EXPECT_TRUE(eventually([&] { return books.has_cancelled(2); }));
  EXPECT_FALSE(books.has_cancelled(3));
  Client half_closed = adopt({4});
  ::shutdown(half_closed.fd(), SHUT_WR);
  EXPECT_TRUE(eventually([&] { return books.has_cancelled(4); }));
  EXPECT_TRUE(eventually([&] { return books.num_disconnects() == 3; }));
  EXPECT_EQ(hub->num_open(), 0);
  EXPECT_EQ(books.num_done(), 0);
}

TEST_F(HubTest, SlowReaderIsCutAndOthersGoOn) {
  HubOptions options;
  options.max_buffered_bytes = 200000;
  begin(options);
  Client slow = adopt({1}), other = adopt({2});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(1) && books.has_submitted(2); }));
  for (int i = 0; i < 100; ++i) token(1, 1000);
  EXPECT_TRUE(eventually([&] { return books.has_cancelled(1); }));
  token(2, 3, FinishReason::kStop);
  EXPECT_TRUE(other.read_until("3;end;"));
}

TEST_F(HubTest, ReaderThatStopsIsCutAtTheWriteTimeout) {
  HubOptions options;
  options.write_timeout = milliseconds(100);
  options.max_buffered_bytes = size_t{1} << 30;
  begin(options);
  Client slow = adopt({1});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(1); }));
  for (int i = 0; i < 20; ++i) token(1, 1000);
  EXPECT_TRUE(eventually([&] { return books.has_cancelled(1); }));
}

TEST_F(HubTest, LargeAnswerArrivesWhole) {
  begin();
  Client client = adopt({1});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(1); }));
  std::vector<TokenOutput> events(20, TokenOutput{.request_id = 1, .token = 1000});
  events.push_back(TokenOutput{.request_id = 1, .finish = FinishReason::kStop});
  hub->on_step(std::move(events), StepReport{});
  EXPECT_TRUE(client.read_until("end;"));
  EXPECT_EQ(client.received.size(), 5u + 20 * 100000 + 4);
}

TEST_F(HubTest, SilentStreamsGetKeepAlives) {
  HubOptions options;
  options.keep_alive_interval = milliseconds(20);
  begin(options);
  Client client = adopt({1});
  EXPECT_TRUE(client.read_until("head;:;:;"));
}

TEST_F(HubTest, KeepAlivesComeAgainAfterTokens) {
  HubOptions options;
  options.keep_alive_interval = milliseconds(20);
  begin(options);
  Client client = adopt({1});
  ASSERT_TRUE(client.read_until("head;:;"));
  token(1, 3);
  EXPECT_TRUE(client.read_until("3;:;"));
}

TEST_F(HubTest, ResponseThatThrowsTakesOnlyItselfDown) {
  begin();
  Client bad = adopt({1}), good = adopt({2});
  ASSERT_TRUE(eventually([&] { return books.has_submitted(1) && books.has_submitted(2); }));
  hub->on_step({TokenOutput{.request_id = 1, .token = 666},
                TokenOutput{.request_id = 2, .token = 4, .finish = FinishReason::kStop}},
               {});
  EXPECT_TRUE(good.read_until("4;end;"));
  bad.read_all();
  EXPECT_TRUE(books.has_cancelled(1));
}

TEST_F(HubTest, StopFailsWhatIsUnfinishedAndFlushes) {
  begin();
  Client client = adopt({1});
  ASSERT_TRUE(client.read_until("head;"));
  hub->stop(Error{ErrorKind::kUnavailable, "bye", "", "server_shutdown"}, std::chrono::seconds(5));
  EXPECT_TRUE(client.read_until("error:server_shutdown;"));
  EXPECT_TRUE(books.has_cancelled(1));
  EXPECT_EQ(hub->num_open(), 0);
}

TEST_F(HubTest, ManyStreams) {
  begin();
  constexpr int kStreams = 300, kTokens = 20;
  std::vector<Client> clients;
  for (int i = 0; i < kStreams; ++i) clients.push_back(adopt({static_cast<RequestId>(i + 1)}));
  ASSERT_TRUE(eventually([&] { return books.has_submitted(kStreams); }));
  std::string expected = "head;";
  for (int t = 0; t < kTokens; ++t) {
    std::vector<TokenOutput> events;
    for (int i = 0; i < kStreams; ++i)
      events.push_back({.request_id = static_cast<RequestId>(i + 1),
                        .token = 100 + t,
                        .finish = t + 1 == kTokens ? FinishReason::kLength : FinishReason::kNone});
    hub->on_step(std::move(events), StepReport{});
    expected += std::to_string(100 + t) + ";";
  }
  for (Client& client : clients) {
    ASSERT_TRUE(client.read_until("end;"));
    EXPECT_EQ(client.received, expected + "end;");
  }
  EXPECT_TRUE(eventually([&] { return books.num_done() == kStreams; }));
}

}  // namespace
}  // namespace ember
