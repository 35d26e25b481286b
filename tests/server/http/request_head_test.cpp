// SPDX-License-Identifier: Apache-2.0
#include "http/request_head.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

constexpr FramingLimits kLimits{.max_body_bytes = 1000};

struct Head {
  HttpRequest request;
  BodyFraming body;
  std::optional<FramingError> fault;
  int status() const { return fault ? fault->status : 200; }
};

Head check(const std::string& method, std::vector<std::pair<std::string, std::string>> headers,
           bool http_1_0 = false) {
  Head head{.request = {.method = method,
                        .target = "/",
                        .headers = std::move(headers),
                        .http_1_0 = http_1_0},
            .body = {},
            .fault = {}};
  if (!head.request.header("Host")) head.request.headers.emplace_back("Host", "a");
  head.fault = check_head(head.request, kLimits, head.body);
  return head;
}

TEST(CheckHead, TheBodyIsDelimitedInOneWay) {
  EXPECT_EQ(check("POST", {{"content-length", "7"}}).body.length, 7u);
  EXPECT_TRUE(check("POST", {{"Transfer-Encoding", "Chunked"}}).body.chunked);
  EXPECT_EQ(check("GET", {}).status(), 200);
  EXPECT_EQ(check("POST", {}).status(), 411);
  EXPECT_EQ(check("POST", {{"Content-Length", "1000"}}).status(), 200);
  EXPECT_EQ(check("POST", {{"Content-Length", "1001"}}).status(), 413);
  EXPECT_EQ(check("POST", {{"Content-Length", "99999999999999999999"}}).status(), 413);
  for (const char* wrong : {"", "-1", "+1", "0x1", "1, 1", "1 "})
    EXPECT_EQ(check("POST", {{"Content-Length", wrong}}).status(), 400) << wrong;
  for (const char* wrong : {"", "gzip", "gzip, chunked", "xchunked"})
    EXPECT_EQ(check("POST", {{"Transfer-Encoding", wrong}}).status(), 400) << wrong;
  EXPECT_EQ(check("GET", {{"Content-Length", "1"}, {"Content-Length", "1"}}).status(), 400);
  EXPECT_EQ(check("GET", {{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}).status(),
            400);
  EXPECT_EQ(check("GET", {{"Transfer-Encoding", "chunked"}}, true).status(), 400);
}

TEST(CheckHead, OneWellFormedHost) {
  EXPECT_EQ(check("GET", {{"Host", "[::1]:80"}}).status(), 200);
  EXPECT_EQ(check("GET", {{"Host", "a b"}}).status(), 400);
  EXPECT_EQ(check("GET", {{"Host", "a"}, {"Host", "a"}}).status(), 400);
  HttpRequest none{.method = "GET", .target = "/"};
  BodyFraming body;
  EXPECT_TRUE(check_head(none, kLimits, body).has_value());
  none.http_1_0 = true;
  EXPECT_FALSE(check_head(none, kLimits, body).has_value());
}

TEST(CheckHead, ContentIsPlainJson) {
  for (const char* type : {"application/json", "Application/JSON; charset=UTF-8",
                           "application/json ;charset=\"utf-8\""})
    EXPECT_EQ(check("POST", {{"Content-Length", "0"}, {"Content-Type", type}}).status(), 200);
  for (const char* type : {"text/plain", "application/json; charset=utf-16", "application/jsonx"})
    EXPECT_EQ(check("POST", {{"Content-Length", "0"}, {"Content-Type", type}}).status(), 415);
  EXPECT_EQ(check("GET", {{"Content-Encoding", "identity"}}).status(), 200);
  EXPECT_EQ(check("GET", {{"Content-Encoding", "gzip"}}).status(), 415);
}

TEST(CheckHead, ConnectionAndExpectations) {
  EXPECT_TRUE(check("GET", {}).request.keep_alive);
  EXPECT_FALSE(check("GET", {}, true).request.keep_alive);
  EXPECT_FALSE(check("GET", {{"Connection", "upgrade , Close"}}).request.keep_alive);
  EXPECT_TRUE(check("GET", {{"Connection", "closed"}}).request.keep_alive);
  EXPECT_TRUE(check("GET", {{"Expect", "100-Continue"}}).body.expects_continue);
  EXPECT_FALSE(check("GET", {{"Expect", "100-continue"}}, true).body.expects_continue);
  EXPECT_EQ(check("GET", {{"Expect", "x"}}).status(), 417);
  EXPECT_EQ(check("GET", {{"Expect", "x"}}, true).status(), 200);
}

TEST(CheckMethod, OnlyThoseThatARouteCanHave) {
  for (const char* method : {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
    EXPECT_FALSE(check_method({.method = method}).has_value()) << method;
  for (const char* method : {"TRACE", "CONNECT", "get", "FOO"})
    EXPECT_EQ(check_method({.method = method})->status, 405) << method;
}

TEST(CheckTarget, IsAnAbsolutePath) {
  EXPECT_FALSE(check_target({.target = "/a?b=%20"}).has_value());
  for (const char* target : {"", "a", "*", "http://a/", "/a b", "/\xc3\xa4"})
    EXPECT_TRUE(check_target({.target = target}).has_value()) << target;
}

}  // namespace
}  // namespace ember
