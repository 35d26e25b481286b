// SPDX-License-Identifier: Apache-2.0
#include "ember/server/routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ember/server/json_reader.h"
#include "server/api_parts.h"

namespace ember {
namespace {

struct Listener {
  explicit Listener(void (*add)(HttpServer&, ApiContext&)) { add(server, parts.context); }

  HttpResponse ask(const std::string& method, const std::string& target,
                   std::vector<std::pair<std::string, std::string>> headers = {},
                   const std::string& body = {}) {
    Exchange exchange(
        {.method = method, .target = target, .headers = std::move(headers), .body = body}, "id",
        std::make_unique<Connection>(-1));
    server.dispatch(exchange);
    EXPECT_FALSE(exchange.taken());
    return exchange.response();
  }
  std::string code(const std::string& method, const std::string& target) {
    return Json::parse(ask(method, target).body)["error"]["code"];
  }

  ApiParts parts;
  HttpServer server{HttpOptions{}};
};

TEST(Routes, WhileLoadingOnlyTheServerItselfAnswers) {
  Listener main(add_routes);
  main.parts.status.version = "1.2";
  EXPECT_EQ(main.ask("GET", "/livez").body, R"({"status":"loading"})");
  EXPECT_EQ(main.ask("GET", "/health").status, 200);
  EXPECT_EQ(main.ask("GET", "/readyz").status, 503);
  EXPECT_EQ(main.ask("GET", "/version").body, R"({"version":"1.2"})");
  EXPECT_EQ(main.ask("GET", "/status").status, 200);
  EXPECT_EQ(main.ask("GET", "/").headers["Content-Type"], "text/html; charset=utf-8");
  for (const char* path : {"/v1/models", "/v1/models/m", "/nope"}) {
    EXPECT_EQ(main.code("GET", path), "loading") << path;
    EXPECT_FALSE(main.ask("GET", path).headers["Retry-After"].empty()) << path;
  }
  EXPECT_EQ(main.code("POST", "/v1/chat/completions"), "loading");
}

TEST(Routes, ModelsAreServedByAllTheirNames) {
  Listener main(add_routes);
  main.parts.models.add(main.parts.model({"m", "org/m"}));
  main.parts.status.state = ServerState::kReady;
  EXPECT_EQ(Json::parse(main.ask("GET", "/v1/models").body)["data"].size(), 2u);
  EXPECT_EQ(Json::parse(main.ask("GET", "/v1/models/org%2Fm").body)["id"], "org/m");
  EXPECT_EQ(Json::parse(main.ask("GET", "/v1/models/org/m?x=1").body)["id"], "org/m");
  EXPECT_EQ(main.code("GET", "/v1/models/other"), "model_not_found");
  EXPECT_EQ(main.code("GET", "/v1/models/"), "not_found");
  EXPECT_EQ(main.code("DELETE", "/v1/models"), "method_not_allowed");
  EXPECT_EQ(main.ask("GET", "/v1/completions").headers["Allow"], "POST");
}

TEST(Routes, AKeyIsAskedForBeforeAnythingElse) {
  Listener main(add_routes), admin(add_admin_routes);
  for (Listener* listener : {&main, &admin}) {
    listener->parts.keys.replace({"sk-1"});
    EXPECT_EQ(listener->ask("GET", "/livez").status, 200);
    for (const char* path : {"/nope", "/openapi.json"}) {
      EXPECT_EQ(listener->ask("GET", path).status, 401) << path;
      EXPECT_NE(listener->ask("GET", path, {{"Authorization", "Bearer sk-1"}}).status, 401);
    }
  }
}

TEST(Routes, TheAdminListenerRefusesPagesAndSpeaksPrometheus) {
  Listener admin(add_admin_routes);
  EXPECT_EQ(admin.ask("GET", "/livez", {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_TRUE(admin.ask("GET", "/metrics").headers["Content-Type"].starts_with("text/plain;"));
  EXPECT_EQ(admin.ask("GET", "/admin/requests").status, 200);
  EXPECT_EQ(admin.code("GET", "/admin/requests/x"), "request_not_found");
  EXPECT_EQ(admin.code("POST", "/admin/drain"), "loading");
  admin.parts.context.reload_keys = [] { return Result<void>(); };
  EXPECT_EQ(admin.ask("POST", "/admin/reload").status, 200) << "its body may be empty";
}

}  // namespace
}  // namespace ember
