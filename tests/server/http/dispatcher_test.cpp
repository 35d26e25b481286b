// SPDX-License-Identifier: Apache-2.0
#include "http/dispatcher.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

Answer ask(Dispatcher& dispatcher, const std::string& method, const std::string& target,
           bool keep = true) {
  auto connection = std::make_unique<Connection>(-1, "1.2.3.4");
  FramedRequest request{.method = method,
                        .target = target,
                        .headers = {{"remote_addr", "6.6.6.6"}, {"A", "a%0d%0ab"}},
                        .keep_alive = keep};
  return dispatcher.answer(std::move(request), "id", connection);
}

TEST(Dispatcher, HandlerSeesTheRequestAsItCame) {
  Dispatcher dispatcher;
  dispatcher.route("GET", "/x/([^/]+)", [](const httplib::Request& q, httplib::Response& r) {
    EXPECT_EQ(q.remote_addr, "1.2.3.4");
    EXPECT_EQ(q.get_header_value("REMOTE_ADDR"), "1.2.3.4");
    EXPECT_EQ(q.get_header_value("A"), "a%0d%0ab");
    EXPECT_EQ(q.get_header_value("X-Request-Id"), "id");
    EXPECT_EQ(q.get_param_value("q"), "1 2");
    r.set_content(q.matches[1].str(), "text/plain");
  });
  const Answer answer = ask(dispatcher, "GET", "/x/a%20b?q=1+2");
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.close);
  EXPECT_TRUE(answer.bytes.ends_with("\r\n\r\na b")) << answer.bytes;
  EXPECT_TRUE(ask(dispatcher, "GET", "/x/a?q=1+2", false).close);
  const Answer head = ask(dispatcher, "HEAD", "/x/abc?q=1+2");
  EXPECT_TRUE(head.bytes.ends_with("\r\n\r\n"));
  EXPECT_NE(head.bytes.find("Content-Length: 3\r\n"), std::string::npos) << head.bytes;
}

TEST(Dispatcher, PlainPathsMatchExactly) {
  Dispatcher dispatcher;
  dispatcher.route("GET", "/a.json", [](const httplib::Request&, httplib::Response& r) {
    r.set_content("", "text/plain");
  });
  EXPECT_EQ(ask(dispatcher, "GET", "/a.json").status, 200);
  EXPECT_EQ(ask(dispatcher, "GET", "/aXjson").status, 404);
  const Answer wrong = ask(dispatcher, "DELETE", "/a.json");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.bytes.find("Allow: GET, HEAD\r\n"), std::string::npos) << wrong.bytes;
}

TEST(Dispatcher, BeforeAnswersFirst) {
  Dispatcher dispatcher;
  bool reached = false;
  dispatcher.route("GET", "/",
                   [&](const httplib::Request&, httplib::Response&) { reached = true; });
  dispatcher.set_before([](const httplib::Request&, httplib::Response& r) {
    r.status = 503;
    r.set_header("Connection", "close");
    return true;
  });
  const Answer answer = ask(dispatcher, "GET", "/");
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.close);
  EXPECT_FALSE(reached);
  EXPECT_EQ(answer.bytes.find("Connection: close\r\n"), answer.bytes.rfind("Connection: "))
      << answer.bytes;
}

TEST(Dispatcher, ExceptionsBecome500WithoutTheirText) {
  Dispatcher dispatcher;
  dispatcher.route("GET", "/std", [](const httplib::Request&, httplib::Response&) {
    throw std::runtime_error("secret");
  });
  dispatcher.route("GET", "/int", [](const httplib::Request&, httplib::Response&) { throw 1; });
  for (const char* path : {"/std", "/int"}) {
    const Answer answer = ask(dispatcher, "GET", path);
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.bytes.find("secret"), std::string::npos);
    EXPECT_NE(answer.bytes.find("\"server_error\""), std::string::npos);
  }
}

TEST(Dispatcher, TakenConnectionDropsTheAnswer) {
  Dispatcher dispatcher;
  std::unique_ptr<Connection> taken;
  dispatcher.route("GET", "/", [&](const httplib::Request&, httplib::Response&) {
    EXPECT_TRUE(Dispatcher::keep_connection());
    taken = Dispatcher::take_connection();
  });
  auto connection = std::make_unique<Connection>(-1);
  const Connection* const original = connection.get();
  const Answer answer =
      dispatcher.answer({.method = "GET", .target = "/", .keep_alive = true}, "id", connection);
  EXPECT_EQ(taken.get(), original);
  EXPECT_EQ(connection, nullptr);
  EXPECT_TRUE(answer.bytes.empty());
}

}  // namespace
}  // namespace ember
