// SPDX-License-Identifier: Apache-2.0
#include "api/generate.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "server/api/demo_model.h"
#include "server/api/requests.h"
#include "server/api_parts.h"

namespace ember {
namespace {

// Answers every request with " fox" and its end.
class FoxGenerator final : public Generator {
 public:
  explicit FoxGenerator(ResponseHub& hub) : hub_(hub) {}
  void submit(RequestRef request) override {
    TokenOutput output;
    output.request_id = request->id;
    output.token = ids_of(" fox").front();
    output.finish = FinishReason::kLength;
    submitted.push_back(std::move(request));
    hub_.on_step({output}, {});
  }
  void cancel(RequestId) override {}
  std::future<std::vector<SequenceTrace>> traces() override { return {}; }
  bool failed() const override { return false; }
  TimePoint last_progress() const override { return Clock::now(); }

  std::vector<RequestRef> submitted;  // the hub's thread writes it: read after hub.stop()

 private:
  ResponseHub& hub_;
};

class GenerateTest : public testing::Test {
 protected:
  GenerateTest() {
    auto model = std::make_shared<ServedModel>(demo_model());
    model->generator = generator_;
    model->metrics = std::make_shared<ModelMetrics>(parts_.metrics, "demo");
    parts_.models.add(model);
    parts_.admission.add_room(4, 1000);
    parts_.hub.start();
  }

  // The status line and the body that the client of a request gets; the error where it is not
  // started.
  std::string ask(const Dialect& dialect, const Json& body) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    const Connection client(ends[1]);
    Exchange exchange({.method = "POST", .target = "/x", .headers = {}, .body = body.dump()}, "id",
                      std::make_unique<Connection>(ends[0]));
    const Result<void> started = start_generation(dialect, parts_.generation, exchange);
    EXPECT_EQ(started.ok(), exchange.taken());
    if (!started.ok()) return fault(started);
    std::string answer;
    char bytes[4096];
    for (ssize_t count; (count = ::recv(client.fd(), bytes, sizeof(bytes), 0)) > 0;)
      answer.append(bytes, static_cast<size_t>(count));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  void stop() { parts_.hub.stop(Error{ErrorKind::kUnavailable, "stop", "", ""}, Duration::zero()); }

  ApiParts parts_;
  std::shared_ptr<FoxGenerator> generator_ = std::make_shared<FoxGenerator>(parts_.hub);
};

TEST_F(GenerateTest, EachApiGetsItsAnswer) {
  const Json messages = user_message("Hi.");
  EXPECT_EQ(
      Json::parse(ask(kChatDialect, {{"messages", messages}}))["choices"][0]["message"]["content"],
      " fox");
  EXPECT_EQ(Json::parse(ask(kCompletionDialect, {{"prompt", "Hi."}}))["choices"][0]["text"],
            " fox");
  EXPECT_EQ(Json::parse(ask(kMessagesDialect,
                            {{"messages", messages}, {"max_tokens", 5}}))["content"][0]["text"],
            " fox");
  EXPECT_EQ(
      Json::parse(ask(kResponsesDialect, {{"input", "Hi."}}))["output"][0]["content"][0]["text"],
      " fox");
  stop();
  EXPECT_EQ(generator_->submitted.size(), 4u);
  EXPECT_EQ(parts_.admission.sequences(), 0) << "places in the queue are given back";
  EXPECT_EQ(parts_.requests.find("id").size(), 4u);
  EXPECT_EQ(parts_.requests.find("chatcmpl-id").at(0).status, 200);
}

TEST_F(GenerateTest, AStreamIsToldAsItComes) {
  const std::string text = ask(kChatDialect, {{"messages", user_message("Hi.")}, {"stream", true}});
  EXPECT_NE(text.find("\"content\":\" fox\""), std::string::npos) << text;
  EXPECT_NE(text.find("data: [DONE]"), std::string::npos);
}

TEST_F(GenerateTest, TheBodyNamesItsModel) {
  Json body = {{"messages", user_message("Hi.")}, {"model", "demo"}};
  EXPECT_EQ(Json::parse(ask(kChatDialect, body))["model"], "demo");
  body["model"] = "other";
  EXPECT_EQ(ask(kChatDialect, body), "model: The model \"other\" does not exist.");
}

TEST_F(GenerateTest, AFaultLeavesTheConnectionToTheCaller) {
  EXPECT_EQ(ask(kChatDialect, {{"messages", 5}}), "messages: messages must be a list of objects.");
  EXPECT_EQ(ask(kResponsesDialect, {{"input", 5}}),
            "input: input must be a string or a list of items.");
  EXPECT_EQ(ask(kChatDialect, {{"messages", user_message("Hi.")}, {"n", 5}}).substr(0, 2), ": ")
      << "the queue holds four";
  stop();
  EXPECT_TRUE(generator_->submitted.empty());
  EXPECT_EQ(parts_.admission.sequences(), 0);
}

}  // namespace
}  // namespace ember
