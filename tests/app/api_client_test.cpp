// SPDX-License-Identifier: Apache-2.0
#include "api_client.h"

#include <gtest/gtest.h>

#include "app/local_server.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

// Answers /text with its body, whatever that is, as status `status`.
class EchoServer {
 public:
  explicit EchoServer(int status) {
    server_.routes.Post("/text",
                        [status](const httplib::Request& request, httplib::Response& response) {
                          response.status = status;
                          response.set_content(Json::parse(request.body)["text"].get<std::string>(),
                                               "text/event-stream");
                        });
    server_.routes.Get(
        "/v1/models", [](const httplib::Request& request, httplib::Response& response) {
          response.set_content(request.get_header_value("Authorization") == "Bearer secret"
                                   ? R"({"data":[{"id":"m"}]})"
                                   : R"({"data":[]})",
                               "application/json");
        });
    server_.start();
  }
  std::string url() const { return server_.url(); }

 private:
  LocalServer server_;
};

ApiClient::Failure stream(int status, const std::string& text, std::vector<Json>& events) {
  EchoServer server(status);
  ApiClient client(server.url(), {});
  return client.stream("/text", {{"text", text}},
                       [&](const Json& event) { events.push_back(event); });
}

TEST(ApiClient, PassesEventsOn) {
  std::vector<Json> events;
  EXPECT_EQ(stream(200, "data: {\"a\":1}\n\n: sign of life\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n",
                   events)
                .message,
            "");
  EXPECT_EQ(events, (std::vector<Json>{{{"a", 1}}, {{"a", 2}}}));
}

TEST(ApiClient, TellsRefusalsErrorsAndEarlyEndsApart) {
  std::vector<Json> events;
  const ApiClient::Failure refused = stream(429, R"({"error":{"message":"full"}})", events);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.message, "full");
  EXPECT_EQ(stream(200, "data: {\"error\":{\"message\":\"it broke\"}}\n\n", events).message,
            "it broke");
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(stream(200, "data: {\"a\":1}\n\n", events).message, "the stream ended early");
}

TEST(ApiClient, FindsTheModelWithItsKey) {
  EchoServer server(200);
  EXPECT_EQ(ApiClient(server.url(), {"secret"}).first_model(), "m");
  EXPECT_THROW(ApiClient(server.url(), {}).first_model(), StartError);
  EXPECT_THROW(ApiClient("http://127.0.0.1:1", {}).first_model(), StartError);
  EXPECT_THROW(ApiClient("ftp://x", {}).first_model(), StartError);
}

}  // namespace
}  // namespace ember
