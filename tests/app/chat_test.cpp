// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/local_server.h"
#include "commands.h"
#include "gtest/gtest.h"

namespace ember {
namespace {

// Answers the n-th question with "answer n" in three pieces, and refuses "refuse me".
class ScriptedServer {
 public:
  ScriptedServer() {
    server_.list_model("scripted");
    server_.routes.Post("/v1/chat/completions", [this](const httplib::Request& request,
                                                       httplib::Response& response) {
      bodies.push_back(nlohmann::json::parse(request.body));
      if (bodies.back()["messages"].back()["content"] == "refuse me") {
        response.status = 400;
        response.set_content(R"({"error":{"message":"no, thank you"}})", "application/json");
        return;
      }
      const std::string number = std::to_string(bodies.size());
      std::string text = ": keep-alive\n\n";
      for (const std::string& piece : {std::string("answer"), " " + number})
        text += "data: " +
                nlohmann::json({{"choices", {{{"index", 0}, {"delta", {{"content", piece}}}}}}})
                    .dump() +
                "\n\n";
      text += "data: {\"choices\":[],\"usage\":{\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
      response.set_content(text, "text/event-stream");
    });
    server_.start();
  }
  std::string url() const { return server_.url(); }

  std::vector<nlohmann::json> bodies;

 private:
  LocalServer server_;
};

TEST(Chat, StreamsKeepsTheHistoryAndForgetsItOnDemand) {
  ScriptedServer server;
  Settings settings;
  settings.client.url = server.url();
  settings.chat.system_prompt = "be brief";
  settings.chat.max_tokens = 9;
  std::istringstream in("hello\nrefuse me\nagain\n/clear\nanew\n/exit\nnever\n");
  std::ostringstream out;
  EXPECT_EQ(chat(settings, in, out), ExitCode::kOk);
  ASSERT_EQ(server.bodies.size(), 4u);
  EXPECT_EQ(server.bodies[0]["model"], "scripted");
  EXPECT_EQ(server.bodies[0]["max_tokens"], 9);
  EXPECT_EQ(server.bodies[0]["messages"].size(), 2u);
  EXPECT_EQ(server.bodies[2]["messages"].size(),
            4u);  // system, question, answer, question: the refused one is gone
  EXPECT_EQ(server.bodies[2]["messages"][2]["content"], "answer 1");
  EXPECT_EQ(server.bodies[3]["messages"].size(), 2u);
  for (const char* text :
       {"answer 1", "[no, thank you]", "answer 3", "answer 4", "[2 tokens, first after"})
    EXPECT_NE(out.str().find(text), std::string::npos) << out.str();
}

TEST(Chat, SaysWhenNoServerAnswers) {
  Settings settings;
  settings.client.url = "http://127.0.0.1:1";
  std::istringstream in;
  std::ostringstream out;
  EXPECT_THROW(chat(settings, in, out), StartError);
}

}  // namespace
}  // namespace ember
