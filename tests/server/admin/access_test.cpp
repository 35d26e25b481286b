// SPDX-License-Identifier: Apache-2.0
#include "admin/access.h"

#include <gtest/gtest.h>

#include <set>

#include "ember/server/http_server.h"

namespace ember {
namespace {

TEST(RetryAfter, IsTheTimeThatTheQueueTakes) {
  constexpr uint64_t kMiddle = 512;  // next to no jitter
  EXPECT_EQ(retry_after(0, 100, kMiddle), 1);
  EXPECT_NEAR(retry_after(1000, 100, kMiddle), 10, 1);
  EXPECT_EQ(retry_after(1'000'000, 100, kMiddle), 30);
  EXPECT_LE(retry_after(1000, 0, kMiddle), 2) << "nothing measured yet";
}

TEST(RetryAfter, IsSpreadButBounded) {
  std::set<int> seen;
  for (uint64_t dice = 0; dice < 1024; ++dice) {
    for (const int64_t tokens : {0, 1000, 100000}) {
      const int s = retry_after(tokens, 100, dice);
      EXPECT_TRUE(s >= 1 && s <= 30) << s;
    }
    seen.insert(retry_after(1000, 100, dice));
  }
  EXPECT_EQ(*seen.begin(), 8);
  EXPECT_EQ(*seen.rbegin(), 12);
}

httplib::Request request(const std::string& path, const std::string& header = {},
                         const std::string& value = {}) {
  httplib::Request r;
  r.path = path;
  if (!header.empty()) r.set_header(header, value);
  return r;
}

TEST(CheckKey, OnlyHealthIsOpenOnceThereIsAKey) {
  ApiContext context;
  EXPECT_TRUE(check_key(context, request("/v1/models")).ok());
  context.keys.replace({"sk-1"});
  for (const char* path : {"/livez", "/readyz", "/health"})
    EXPECT_TRUE(check_key(context, request(path)).ok()) << path;
  for (const char* path : {"/", "/v1/models", "/nope", "/version", "/livez/", "/metrics",
                           "/admin/requests", "/v1/messages"}) {
    EXPECT_FALSE(check_key(context, request(path)).ok()) << path;
    EXPECT_TRUE(check_key(context, request(path, "Authorization", "Bearer sk-1")).ok()) << path;
    EXPECT_FALSE(check_key(context, request(path, "Authorization", "bearer sk-1")).ok()) << path;
    EXPECT_FALSE(check_key(context, request(path, "Authorization", "sk-1")).ok()) << path;
  }
  httplib::Request twice = request("/v1/models", "Authorization", "Bearer sk-1");
  twice.set_header("Authorization", "Bearer sk-2");
  EXPECT_FALSE(check_key(context, twice).ok());
}

TEST(CheckKey, AnthropicsHeaderOpensAnthropicsPathsOnly) {
  ApiContext context;
  context.keys.replace({"sk-1"});
  EXPECT_TRUE(check_key(context, request("/v1/messages", "x-api-key", "sk-1")).ok());
  EXPECT_TRUE(check_key(context, request("/v1/messages/count_tokens", "x-api-key", "sk-1")).ok());
  EXPECT_FALSE(check_key(context, request("/v1/messages", "x-api-key", "sk-2")).ok());
  EXPECT_FALSE(check_key(context, request("/v1/messagesx", "x-api-key", "sk-1")).ok());
  EXPECT_FALSE(check_key(context, request("/v1/models", "x-api-key", "sk-1")).ok());
}

TEST(CheckKey, ABrowsersPasswordOpensThePageOnly) {
  ApiContext context;
  context.keys.replace({"sk-1"});
  EXPECT_TRUE(
      check_key(context, request("/", "Authorization", "Basic bWU6c2stMQ==")).ok());      // me:sk-1
  EXPECT_TRUE(check_key(context, request("/", "Authorization", "Basic OnNrLTE=")).ok());  // :sk-1
  EXPECT_FALSE(check_key(context, request("/status", "Authorization", "Basic bWU6c2stMQ==")).ok());
  for (const char* wrong : {"Basic bWU6c2stMg==", "Basic c2stMQ==", "Basic ",
                            "Basic ====", "Basic b*U6c2stMQ==", "bWU6c2stMQ=="})
    EXPECT_FALSE(check_key(context, request("/", "Authorization", wrong)).ok()) << wrong;
}

TEST(ErrorBody, HasTheShapeOfItsApi) {
  const Error error = invalid("top_p", "top_p \"x\" is wrong.");
  EXPECT_EQ(
      error_body_for("/v1/messages", error),
      R"({"type":"error","error":{"type":"invalid_request_error","message":"top_p \"x\" is wrong."}})");
  EXPECT_EQ(error_body_for("/v1/completions", error), error_body(error));
  EXPECT_NE(error_body_for("/v1/messages", Error{ErrorKind::kBusy, "full", "", "queue_full"})
                .find("rate_limit_error"),
            std::string::npos);
}

}  // namespace
}  // namespace ember
