// SPDX-License-Identifier: Apache-2.0
#include "http/access_log.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

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

}  // namespace
}  // namespace ember
