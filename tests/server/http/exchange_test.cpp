// SPDX-License-Identifier: Apache-2.0
#include "ember/server/exchange.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

std::string path_of(const std::string& target) {
  return Exchange({.target = target}, "id", nullptr).request().path;
}

TEST(Exchange, ThePathIsDecodedAndWithoutTheQuery) {
  EXPECT_EQ(path_of("/v1/models/a%20b%2Fc?x=%20"), "/v1/models/a b/c");
  EXPECT_EQ(path_of("/a+b#c?d"), "/a+b");
  EXPECT_EQ(path_of("/a?b?c"), "/a");
  EXPECT_EQ(path_of("/%zz%"), "/%zz%");
  EXPECT_EQ(path_of("/%00").size(), 2u);
}

TEST(Exchange, HeadersAreFoundInAnyCase) {
  const HttpRequest request{.headers = {{"Accept", "a"}, {"X", "1"}, {"ACCEPT", "b"}}};
  ASSERT_NE(request.header("accept"), nullptr);
  EXPECT_EQ(*request.header("accept"), "a");
  EXPECT_EQ(request.header("Accep"), nullptr);
  EXPECT_EQ(request.header_values("aCCept"), (std::vector<std::string_view>{"a", "b"}));
  HttpResponse response;
  response.headers["content-type"] = "x";
  response.set_content("b", "text/plain");
  EXPECT_EQ(response.headers.size(), 1u);
}

TEST(Exchange, TheConnectionIsTakenOnce) {
  Exchange exchange({.target = "/", .keep_alive = true}, "id", std::make_unique<Connection>(-1));
  EXPECT_TRUE(exchange.keep_alive());
  EXPECT_NE(exchange.take(), nullptr);
  EXPECT_TRUE(exchange.taken());
  EXPECT_DEATH(exchange.take(), "taken");
}

}  // namespace
}  // namespace ember
