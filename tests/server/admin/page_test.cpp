// SPDX-License-Identifier: Apache-2.0
#include "admin/page.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

// Of the policy: what stands between 'nonce- and the next quote.
std::string nonce_of(const HttpResponse& response) {
  const std::string& policy = response.headers.at("Content-Security-Policy");
  const size_t begin = policy.find("'nonce-") + 7;
  return policy.substr(begin, policy.find('\'', begin) - begin);
}

TEST(Page, MayRunItsOwnScriptAndNothingElse) {
  HttpResponse response;
  answer_page(response);
  const std::string nonce = nonce_of(response);
  EXPECT_EQ(nonce.size(), 32u);
  EXPECT_NE(response.body.find("<script nonce=\"" + nonce + "\""), std::string::npos);
  EXPECT_NE(response.body.find("<style nonce=\"" + nonce + "\""), std::string::npos);
  EXPECT_EQ(response.body.find("@NONCE@"), std::string::npos);
  EXPECT_TRUE(response.headers.at("Content-Security-Policy").starts_with("default-src 'none';"));
  EXPECT_EQ(response.headers.at("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(response.headers.at("Cache-Control"), "no-store");
}

TEST(Page, EveryAnswerHasItsOwnNonce) {
  HttpResponse first, second;
  answer_page(first);
  answer_page(second);
  EXPECT_NE(nonce_of(first), nonce_of(second));
}

}  // namespace
}  // namespace ember
