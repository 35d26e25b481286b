// SPDX-License-Identifier: Apache-2.0
#include "http/http_codec.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(PercentDecoded, LeavesWhatIsNoEscape) {
  EXPECT_EQ(percent_decoded("a%20b%2f"), "a b/");
  EXPECT_EQ(percent_decoded("a+b%"), "a+b%");
  EXPECT_EQ(percent_decoded("%zz"), "%zz");
}

TEST(Compress, OnlyForClientsThatAcceptIt) {
  const std::string text(1000, 'a');
  for (const char* coding : {"gzip", "br"}) {
    std::string body = text;
    EXPECT_EQ(compress(body, "application/json", coding), coding);
    EXPECT_LT(body.size(), 100u);
  }
  std::string body = text;
  EXPECT_EQ(compress(body, "application/json", "deflate"), "");
  EXPECT_EQ(compress(body, "image/png", "gzip"), "");
  EXPECT_EQ(body, text);
}

}  // namespace
}  // namespace ember
