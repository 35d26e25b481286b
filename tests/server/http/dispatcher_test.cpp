// SPDX-License-Identifier: Apache-2.0
#include "http/dispatcher.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace ember {
namespace {

Exchange exchange_for(const std::string& method, const std::string& target) {
  return Exchange({.method = method, .target = target, .keep_alive = true}, "id",
                  std::make_unique<Connection>(-1));
}

HttpResponse ask(const Dispatcher& dispatcher, const std::string& method,
                 const std::string& target) {
  Exchange exchange = exchange_for(method, target);
  dispatcher.dispatch(exchange);
  return exchange.response();
}

TEST(Dispatcher, AParameterIsWhateverIsNotEmptyAtTheEnd) {
  Dispatcher dispatcher;
  dispatcher.route("GET", "/x/{name}",
                   [](Exchange& e) { e.response().set_content(e.path_parameter(), "text/plain"); });
  EXPECT_EQ(ask(dispatcher, "GET", "/x/a%20b/c?q=1").body, "a b/c");
  EXPECT_EQ(ask(dispatcher, "HEAD", "/x/abc").body, "abc");
  EXPECT_EQ(ask(dispatcher, "GET", "/x/").status, 404);
  EXPECT_EQ(ask(dispatcher, "GET", "/x").status, 404);
  const std::vector<std::pair<std::string, std::string>> routes = {{"GET", "/x/{name}"}};
  EXPECT_EQ(dispatcher.routes(), routes);
}

TEST(Dispatcher, PlainPathsMatchExactly) {
  Dispatcher dispatcher;
  dispatcher.route("GET", "/a.json", [](Exchange&) {});
  dispatcher.route("POST", "/a.json", [](Exchange&) {});
  EXPECT_EQ(ask(dispatcher, "GET", "/a.json").status, 200);
  EXPECT_EQ(ask(dispatcher, "GET", "/aXjson").status, 404);
  EXPECT_EQ(ask(dispatcher, "GET", "/a.json/").status, 404);
  HttpResponse wrong = ask(dispatcher, "DELETE", "/a.json");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers["Allow"], "GET, HEAD, POST");
}

TEST(Dispatcher, BeforeAnswersFirst) {
  Dispatcher dispatcher;
  bool reached = false;
  dispatcher.route("GET", "/", [&](Exchange&) { reached = true; });
  dispatcher.set_before([](Exchange& e) {
    if (e.request().path == "/open") return false;
    e.response().status = 503;
    return true;
  });
  EXPECT_EQ(ask(dispatcher, "GET", "/").status, 503);
  EXPECT_EQ(ask(dispatcher, "GET", "/nope").status, 503);
  EXPECT_EQ(ask(dispatcher, "GET", "/open").status, 404);
  EXPECT_FALSE(reached);
}

TEST(Dispatcher, ExceptionsBecome500WithoutTheirText) {
  Dispatcher dispatcher;
  dispatcher.route("GET", "/std", [](Exchange& e) {
    e.response().headers["X-Half"] = "done";
    throw std::runtime_error("secret");
  });
  dispatcher.route("GET", "/int", [](Exchange&) { throw 1; });
  for (const char* path : {"/std", "/int"}) {
    const HttpResponse response = ask(dispatcher, "GET", path);
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.headers.count("X-Half"), 0u);
    EXPECT_EQ(response.body.find("secret"), std::string::npos);
    EXPECT_NE(response.body.find("\"server_error\""), std::string::npos);
  }
}

TEST(Dispatcher, AHandlerCanTakeTheConnection) {
  Dispatcher dispatcher;
  std::unique_ptr<Connection> connection;
  dispatcher.route("GET", "/", [&](Exchange& e) { connection = e.take(); });
  Exchange exchange = exchange_for("GET", "/");
  EXPECT_FALSE(exchange.taken());
  dispatcher.dispatch(exchange);
  EXPECT_TRUE(exchange.taken());
  EXPECT_NE(connection, nullptr);
}

}  // namespace
}  // namespace ember
