// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/local_server.h"
#include "commands.h"
#include "ember/base/mutex.h"
#include "gtest/gtest.h"

namespace ember {
namespace {

// Answers with two chunks, and refuses every fourth request.
class ScriptedServer {
 public:
  ScriptedServer() {
    server_.list_model("scripted");
    server_.routes.Post("/v1/completions", [this](const httplib::Request& request,
                                                  httplib::Response& response) {
      MutexLock lock(mu_);
      bodies.push_back(nlohmann::json::parse(request.body));
      if (bodies.size() % 4 == 0) {
        response.status = 429;
        response.set_content(R"({"error":{"message":"full"}})", "application/json");
        return;
      }
      std::string text;
      for (int i = 0; i < 2; ++i) text += "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
      text += "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
      response.set_content(text + (bodies.size() == 1 ? "" : "data: [DONE]\n\n"),
                           "text/event-stream");
    });
    server_.start();
  }
  std::string url() const { return server_.url(); }

  std::vector<nlohmann::json> bodies;

 private:
  Mutex mu_;
  LocalServer server_;
};

TEST(BenchServe, SendsWhatWasAskedForAndLosesNothing) {
  ScriptedServer server;
  Settings settings;
  settings.client.url = server.url();
  settings.bench_serve.num_prompts = 12;
  settings.bench_serve.max_concurrency = 3;
  settings.bench_serve.request_rate = 10000;
  settings.bench_serve.input_len = 7;
  settings.bench_serve.output_len = 2;
  settings.bench_serve.extra_body = R"({"repetition_penalty": 1.5, "ignore_eos": false})";
  settings.bench_serve.json = true;
  std::ostringstream out;
  EXPECT_EQ(bench_serve(settings, out), ExitCode::kOk);
  const nlohmann::json json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json["completed"], 8);
  EXPECT_EQ(json["errors"],
            nlohmann::json::parse(R"({"429: full": 3, "the stream ended early": 1})"));
  EXPECT_EQ(json["total_input_tokens"], 56);
  EXPECT_EQ(json["total_output_tokens"], 16);
  ASSERT_EQ(server.bodies.size(), 12u);
  for (const nlohmann::json& body : server.bodies) {
    EXPECT_EQ(body["model"], "scripted");
    EXPECT_EQ(body["prompt"].size(), 7u);
    EXPECT_EQ(body["max_tokens"], 2);
    EXPECT_EQ(body["repetition_penalty"], 1.5);
    EXPECT_EQ(body["ignore_eos"], false) << "what is given goes before";
  }
}

TEST(BenchServe, SaysWhenNoServerAnswers) {
  Settings settings;
  settings.client.url = "http://127.0.0.1:1";
  std::ostringstream out;
  try {
    bench_serve(settings, out);
    ADD_FAILURE();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    EXPECT_NE(std::string(e.what()).find("no server answers at http://127.0.0.1:1"),
              std::string::npos);
  }
}

TEST(BenchServe, RefusesFieldsThatAreNoObject) {
  for (const char* text : {"[1]", "{", "1"}) {
    Settings settings;
    settings.bench_serve.extra_body = text;
    std::ostringstream out;
    try {
      bench_serve(settings, out);
      ADD_FAILURE() << text;
    } catch (const StartError& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      EXPECT_EQ(e.what(), std::string("--extra-body ") + text + ": no JSON object");
    }
  }
}

}  // namespace
}  // namespace ember
