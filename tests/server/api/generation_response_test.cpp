// SPDX-License-Identifier: Apache-2.0
#include "api/generation_response.h"

#include <gmock/gmock.h>

#include "server/api/answers.h"

namespace ember {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class GenerationResponseTest : public testing::Test {
 protected:
  std::unique_ptr<GenerationResponse> make(bool stream) {
    std::vector<Choice> choices;
    choices.emplace_back(demo_tokenizer(), std::vector<int32_t>{5}, Choice::Options{}, TimePoint{});
    auto sink = std::make_unique<HttpSink>(AnswerHead{.request_id = "r"});
    auto answer = std::make_unique<GenerationAnswer>(
        GenerationAnswer::Options{.stream = stream}, std::move(choices),
        make_chat_writer({.id = "1", .model = "m"}, demo_tokenizer(), {}, {}), *sink, metrics_,
        Ticket());
    return std::make_unique<GenerationResponse>(std::move(sink), std::move(answer), "POST /x r");
  }

  TokenOutput token(FinishReason finish) {
    TokenOutput output;
    output.token = ids_of("A").front();
    output.finish = finish;
    return output;
  }

  Metrics all_metrics_{"1"};
  ModelMetrics metrics_{all_metrics_, "m"};
  std::string out_;
  std::vector<RequestId> cancels_;
};

TEST_F(GenerationResponseTest, AWholeAnswerIsOneHttpAnswer) {
  const auto response = make(false);
  response->start(out_);
  response->keep_alive(out_);
  EXPECT_EQ(out_, "");
  response->on_event(token(FinishReason::kLength), out_, cancels_);
  EXPECT_THAT(out_, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"));
  const size_t body = out_.find("\r\n\r\n") + 4;
  EXPECT_THAT(out_, HasSubstr("Content-Length: " + std::to_string(out_.size() - body) + "\r\n"));
  EXPECT_EQ(Json::parse(out_.substr(body))["choices"][0]["message"]["content"], "A");
  EXPECT_TRUE(response->finished());
  EXPECT_TRUE(response->keep_connection());
  EXPECT_EQ(response->status(), 200);
  EXPECT_EQ(response->access_line(), "POST /x r");
}

TEST_F(GenerationResponseTest, AStreamIsChunked) {
  const auto response = make(true);
  response->start(out_);
  EXPECT_THAT(out_, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(out_, EndsWith("\r\n\r\n"));
  out_.clear();
  response->keep_alive(out_);
  EXPECT_EQ(out_, "e\r\n: keep-alive\n\n\r\n");
  response->on_event(token(FinishReason::kLength), out_, cancels_);
  EXPECT_THAT(out_, EndsWith("data: [DONE]\n\n\r\n0\r\n\r\n"));
  EXPECT_TRUE(response->keep_connection());
}

TEST_F(GenerationResponseTest, AStreamThatFailsEndsTheConnection) {
  const auto response = make(true);
  response->start(out_);
  response->fail({ErrorKind::kUnavailable, "no", "", "c"}, out_);
  EXPECT_THAT(out_, EndsWith("0\r\n\r\n"));
  EXPECT_FALSE(response->keep_connection());
}

TEST_F(GenerationResponseTest, AnErrorInsteadOfAnAnswerLeavesTheConnection) {
  const auto response = make(false);
  response->start(out_);
  response->fail({ErrorKind::kUnavailable, "no", "", "c"}, out_);
  EXPECT_THAT(out_, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(out_, HasSubstr("\r\nRetry-After: 1\r\nX-Request-Id: r\r\n"));
  EXPECT_TRUE(response->keep_connection());
}

TEST_F(GenerationResponseTest, AClientThatIsGoneGetsNothing) {
  const auto response = make(true);
  response->on_disconnect();
  EXPECT_TRUE(response->finished());
  EXPECT_EQ(out_, "");
  EXPECT_EQ(num_finished(all_metrics_, "abort"), 1);
}

}  // namespace
}  // namespace ember
