// SPDX-License-Identifier: Apache-2.0
#include "admin/access.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

HttpRequest request(const std::string& path, const std::string& header = {},
                    const std::string& value = {}) {
  HttpRequest r;
  r.path = path;
  if (!header.empty()) r.headers.emplace_back(header, value);
  return r;
}

TEST(Authenticate, OnlyHealthIsOpenOnceThereIsAKey) {
  ApiContext context;
  EXPECT_TRUE(authenticate(context, request("/v1/models")).ok());
  context.keys.replace({"sk-1"});
  EXPECT_EQ(authenticate(context, request("/v1/models")).error().kind, ErrorKind::kUnauthorized);
  for (const char* path : {"/livez", "/readyz", "/health"})
    EXPECT_TRUE(authenticate(context, request(path)).ok()) << path;
  for (const char* path : {"/", "/v1/models", "/nope", "/version", "/livez/", "/metrics",
                           "/admin/requests", "/v1/messages"}) {
    EXPECT_FALSE(authenticate(context, request(path)).ok()) << path;
    EXPECT_TRUE(authenticate(context, request(path, "Authorization", "Bearer sk-1")).ok()) << path;
    EXPECT_FALSE(authenticate(context, request(path, "Authorization", "bearer sk-1")).ok()) << path;
    EXPECT_FALSE(authenticate(context, request(path, "Authorization", "sk-1")).ok()) << path;
  }
  HttpRequest twice = request("/v1/models", "Authorization", "Bearer sk-1");
  twice.headers.emplace_back("authorization", "Bearer sk-2");
  EXPECT_FALSE(authenticate(context, twice).ok());
}

TEST(Authenticate, AnthropicsHeaderOpensAnthropicsPathsOnly) {
  ApiContext context;
  context.keys.replace({"sk-1"});
  EXPECT_TRUE(authenticate(context, request("/v1/messages", "x-api-key", "sk-1")).ok());
  EXPECT_TRUE(
      authenticate(context, request("/v1/messages/count_tokens", "x-api-key", "sk-1")).ok());
  EXPECT_FALSE(authenticate(context, request("/v1/messages", "x-api-key", "sk-2")).ok());
  EXPECT_FALSE(authenticate(context, request("/v1/messagesx", "x-api-key", "sk-1")).ok());
  EXPECT_FALSE(authenticate(context, request("/v1/models", "x-api-key", "sk-1")).ok());
}

TEST(Authenticate, ABrowsersPasswordOpensThePageOnly) {
  ApiContext context;
  context.keys.replace({"sk-1"});
  EXPECT_TRUE(
      authenticate(context, request("/", "Authorization", "Basic bWU6c2stMQ==")).ok());  // me:sk-1
  EXPECT_TRUE(
      authenticate(context, request("/", "Authorization", "Basic OnNrLTE=")).ok());  // :sk-1
  EXPECT_FALSE(
      authenticate(context, request("/status", "Authorization", "Basic bWU6c2stMQ==")).ok());
  for (const char* wrong : {"Basic bWU6c2stMg==", "Basic c2stMQ==", "Basic ",
                            "Basic ====", "Basic b*U6c2stMQ==", "bWU6c2stMQ=="})
    EXPECT_FALSE(authenticate(context, request("/", "Authorization", wrong)).ok()) << wrong;
}

TEST(CheckReady, SaysWhyNot) {
  ApiContext context;
  EXPECT_EQ(check_ready(context).error().code, "loading");
  context.state = ServerState::kReady;
  EXPECT_TRUE(check_ready(context).ok());
  context.state = ServerState::kDraining;
  EXPECT_EQ(check_ready(context).error().code, "draining");
  context.state = ServerState::kFailed;
  EXPECT_EQ(check_ready(context).error().code, "engine_failed");
  EXPECT_EQ(check_ready(context).error().kind, ErrorKind::kUnavailable);
}

TEST(CheckOrigin, RefusesRequestsOfPages) {
  EXPECT_TRUE(check_origin(request("/admin/drain")).ok());
  for (const char* origin : {"http://evil.example", "null", ""})
    EXPECT_EQ(check_origin(request("/admin/drain", "origin", origin)).error().kind,
              ErrorKind::kForbidden);
}

}  // namespace
}  // namespace ember
