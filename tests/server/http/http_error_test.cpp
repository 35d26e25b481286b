// SPDX-License-Identifier: Apache-2.0
#include "http/http_error.h"

#include <gtest/gtest.h>

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
  EXPECT_EQ(error_body({ErrorKind::kInvalid, "m"}, 505),
            R"({"error":{"message":"m","type":"server_error","param":null,"code":null}})");
}

TEST(HttpStatus, FollowsTheKindAlone) {
  EXPECT_EQ(http_status(ErrorKind::kInvalid), 400);
  EXPECT_EQ(http_status(ErrorKind::kUnauthorized), 401);
  EXPECT_EQ(http_status(ErrorKind::kForbidden), 403);
  EXPECT_EQ(http_status(ErrorKind::kNotFound), 404);
  EXPECT_EQ(http_status(ErrorKind::kTooLarge), 413);
  EXPECT_EQ(http_status(ErrorKind::kBusy), 429);
  EXPECT_EQ(http_status(ErrorKind::kInternal), 500);
  EXPECT_EQ(http_status(ErrorKind::kUnavailable), 503);
  EXPECT_EQ(http_status(ErrorKind::kTimeout), 504);
}

}  // namespace
}  // namespace ember
