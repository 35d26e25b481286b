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
  KeyRing keys;
  EXPECT_TRUE(authenticate(keys, request("/v1/models")).ok());
  keys.replace({"sk-1"});
  EXPECT_EQ(authenticate(keys, request("/v1/models")).error().kind, ErrorKind::kUnauthorized);
  for (const char* path : {"/livez", "/readyz", "/health"})
    EXPECT_TRUE(authenticate(keys, request(path)).ok()) << path;
  for (const char* path : {"/", "/v1/models", "/nope", "/version", "/livez/", "/metrics",
                           "/admin/requests", "/v1/messages"}) {
    EXPECT_FALSE(authenticate(keys, request(path)).ok()) << path;
    EXPECT_TRUE(authenticate(keys, request(path, "Authorization", "Bearer sk-1")).ok()) << path;
    EXPECT_FALSE(authenticate(keys, request(path, "Authorization", "bearer sk-1")).ok()) << path;
    EXPECT_FALSE(authenticate(keys, request(path, "Authorization", "sk-1")).ok()) << path;
  }
  HttpRequest twice = request("/v1/models", "Authorization", "Bearer sk-1");
  twice.headers.emplace_back("authorization", "Bearer sk-2");
  EXPECT_FALSE(authenticate(keys, twice).ok());
}

TEST(Authenticate, AnthropicsHeaderOpensAnthropicsPathsOnly) {
  KeyRing keys;
  keys.replace({"sk-1"});
  EXPECT_TRUE(authenticate(keys, request("/v1/messages", "x-api-key", "sk-1")).ok());
  EXPECT_TRUE(authenticate(keys, request("/v1/messages/count_tokens", "x-api-key", "sk-1")).ok());
  EXPECT_FALSE(authenticate(keys, request("/v1/messages", "x-api-key", "sk-2")).ok());
  EXPECT_FALSE(authenticate(keys, request("/v1/messagesx", "x-api-key", "sk-1")).ok());
  EXPECT_FALSE(authenticate(keys, request("/v1/models", "x-api-key", "sk-1")).ok());
}

TEST(Authenticate, ABrowsersPasswordOpensThePageOnly) {
  KeyRing keys;
  keys.replace({"sk-1"});
  EXPECT_TRUE(
      authenticate(keys, request("/", "Authorization", "Basic bWU6c2stMQ==")).ok());      // me:sk-1
  EXPECT_TRUE(authenticate(keys, request("/", "Authorization", "Basic OnNrLTE=")).ok());  // :sk-1
  EXPECT_FALSE(authenticate(keys, request("/status", "Authorization", "Basic bWU6c2stMQ==")).ok());
  for (const char* wrong : {"Basic bWU6c2stMg==", "Basic c2stMQ==", "Basic ",
                            "Basic ====", "Basic b*U6c2stMQ==", "bWU6c2stMQ=="})
    EXPECT_FALSE(authenticate(keys, request("/", "Authorization", wrong)).ok()) << wrong;
}

TEST(CheckReady, SaysWhyNot) {
  ServerStatus server;
  EXPECT_EQ(check_ready(server).error().code, "loading");
  server.state = ServerState::kReady;
  EXPECT_TRUE(check_ready(server).ok());
  server.state = ServerState::kDraining;
  EXPECT_EQ(check_ready(server).error().code, "draining");
  server.state = ServerState::kFailed;
  EXPECT_EQ(check_ready(server).error().code, "engine_failed");
  EXPECT_EQ(check_ready(server).error().kind, ErrorKind::kUnavailable);
}

TEST(CheckOrigin, RefusesRequestsOfPages) {
  EXPECT_TRUE(check_origin(request("/admin/drain")).ok());
  for (const char* origin : {"http://evil.example", "null", ""})
    EXPECT_EQ(check_origin(request("/admin/drain", "origin", origin)).error().kind,
              ErrorKind::kForbidden);
}

}  // namespace
}  // namespace ember
