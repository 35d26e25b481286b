// SPDX-License-Identifier: Apache-2.0
#include "http/http_message.h"

#include <gtest/gtest.h>

#include "ember/server/http_server.h"

namespace ember {
namespace {

TEST(ErrorBody, HasTheFourFields) {
  EXPECT_EQ(error_body({ErrorKind::kInvalid, "m", "p", "c"}),
            R"({"error":{"message":"m","type":"invalid_request_error","param":"p","code":"c"}})");
  EXPECT_EQ(error_body({ErrorKind::kBusy, "m"}),
            R"({"error":{"message":"m","type":"rate_limit_error","param":null,"code":null}})");
  EXPECT_EQ(error_body({ErrorKind::kInternal, "\xff"}),
            "{\"error\":{\"message\":\"\xef\xbf\xbd\",\"type\":\"server_error\",\"param\":null,"
            "\"code\":null}}");
}

TEST(HttpStatus, FollowsTheKind) {
  EXPECT_EQ(http_status({ErrorKind::kInvalid}), 400);
  EXPECT_EQ(http_status({ErrorKind::kInvalid, "", "", "invalid_api_key"}), 401);
  EXPECT_EQ(http_status({ErrorKind::kNotFound}), 404);
  EXPECT_EQ(http_status({ErrorKind::kTooLarge}), 413);
  EXPECT_EQ(http_status({ErrorKind::kBusy}), 429);
  EXPECT_EQ(http_status({ErrorKind::kUnavailable}), 503);
  EXPECT_EQ(http_status({ErrorKind::kUnavailable, "", "", "deadline_exceeded"}), 504);
  EXPECT_EQ(http_status({ErrorKind::kInternal}), 500);
}

std::string id_for(const std::string& given) {
  return request_id_for({.headers = {{"x-request-id", given}}});
}

TEST(RequestId, KeepsOnlyWellFormedOnes) {
  EXPECT_EQ(id_for("aZ09._-"), "aZ09._-");
  EXPECT_EQ(id_for(std::string(128, 'a')), std::string(128, 'a'));
  for (const std::string& bad :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a%0d")}) {
    const std::string id = id_for(bad);
    EXPECT_EQ(id.size(), 20u);
    EXPECT_TRUE(id.starts_with("req-"));
  }
  EXPECT_NE(id_for(""), id_for(""));
}

TEST(EscapeForLog, LeavesOnlyVisibleAscii) {
  EXPECT_EQ(escape_for_log("/a\r\n\x1b[31m\\"), "/a\\x0d\\x0a\\x1b[31m\\x5c");
  EXPECT_EQ(escape_for_log(std::string(300, 'a')), std::string(256, 'a') + "...");
  EXPECT_EQ(access_line({}, "i"), "- - i");
}

TEST(FramingErrorAnswer, IsAWholeAnswer) {
  const std::string answer = framing_error_answer({405, "m", "c", "GET"}, "id");
  EXPECT_EQ(answer.find("HTTP/1.1 405 Method Not Allowed\r\n"), 0u);
  EXPECT_NE(answer.find("\r\nAllow: GET\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nX-Request-Id: id\r\nRequest-Id: id\r\n"), std::string::npos);
  const size_t body = answer.find("\r\n\r\n") + 4;
  EXPECT_NE(answer.find("Content-Length: " + std::to_string(answer.size() - body) + "\r\n"),
            std::string::npos);
}

}  // namespace
}  // namespace ember
