// SPDX-License-Identifier: Apache-2.0
#include "api/generation_answer.h"

#include <gmock/gmock.h>

#include "server/api/answers.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class GenerationAnswerTest : public testing::Test {
 protected:
  // Two choices of one prompt, written as chat completions.
  std::unique_ptr<GenerationAnswer> make(bool stream, std::vector<std::string> stop = {}) {
    std::vector<Choice> choices;
    for (size_t i = 0; i < 2; ++i)
      choices.emplace_back(demo_tokenizer(), std::vector<int32_t>{5, 6},
                           Choice::Options{.index = i, .stop = stop}, TimePoint{});
    return std::make_unique<GenerationAnswer>(
        GenerationAnswer::Options{.stream = stream,
                                  .first_request = 100,
                                  .choices_per_prompt = 2,
                                  .ignored = ignored_,
                                  .on_finished = [this](int s) { statuses_.push_back(s); },
                                  .retry_after = [] { return 9; }},
        std::move(choices),
        make_chat_writer({.id = "1", .model = "m"}, demo_tokenizer(), {.include_usage = true}, {}),
        sink_, metrics_, Ticket());
  }

  static TokenOutput output(RequestId id, int32_t token,
                            FinishReason finish = FinishReason::kNone) {
    TokenOutput output;
    output.request_id = id;
    output.token = token;
    output.finish = finish;
    return output;
  }

  void take(GenerationAnswer& answer, const TokenOutput& output) { answer.take(output, cancels_); }

  const int32_t a_ = ids_of("A").front(), fox_ = ids_of(" fox").front();
  Metrics all_metrics_{"1"};
  ModelMetrics metrics_{all_metrics_, "m"};
  StringSink sink_;
  std::vector<RequestId> cancels_;
  std::vector<int> statuses_;
  std::vector<std::string> ignored_;
};

TEST_F(GenerationAnswerTest, AWholeAnswerIsOneBody) {
  const auto answer = make(false);
  answer->start();
  take(*answer, output(101, a_, FinishReason::kLength));
  take(*answer, output(100, fox_));
  EXPECT_EQ(sink_.starts, 0) << "not before it is known how it ends";
  take(*answer, output(100, fox_, FinishReason::kLength));
  EXPECT_TRUE(answer->finished());
  EXPECT_EQ(answer->status(), 200);
  EXPECT_FALSE(sink_.started.stream);
  ASSERT_EQ(sink_.payloads.size(), 1u);
  const Json body = Json::parse(sink_.text);
  EXPECT_EQ(body["choices"][0]["message"]["content"], " fox fox");
  EXPECT_EQ(body["choices"][1]["message"]["content"], "A");
  EXPECT_EQ(body["usage"]["prompt_tokens"], 2) << "a prompt counts once";
  EXPECT_EQ(body["usage"]["completion_tokens"], 3);
  EXPECT_TRUE(sink_.complete);
  EXPECT_THAT(statuses_, ElementsAre(200));
}

TEST_F(GenerationAnswerTest, AStreamTellsEachTokenAsItComes) {
  const auto answer = make(true);
  answer->start();
  EXPECT_TRUE(sink_.started.stream);
  EXPECT_EQ(answer->status(), 200);
  take(*answer, output(100, a_));
  EXPECT_EQ(sink_.payloads.size(), 1u);
  answer->keep_alive();
  EXPECT_EQ(sink_.payloads.back(), ": keep-alive\n\n");
  take(*answer, output(101, a_, FinishReason::kLength));
  take(*answer, output(100, a_, FinishReason::kLength));
  EXPECT_THAT(sink_.payloads.back(), HasSubstr("[DONE]"));
  EXPECT_EQ(sink_.ends, 1);
  EXPECT_TRUE(sink_.complete);
  answer->keep_alive();
  EXPECT_THAT(sink_.payloads.back(), HasSubstr("[DONE]")) << "nothing follows the end";
}

TEST_F(GenerationAnswerTest, WhatWasIgnoredIsNamedInAHeader) {
  ignored_ = {"include", "tools[1]:web_search"};
  for (const bool stream : {true, false}) {
    const auto answer = make(stream);
    answer->start();
    for (const RequestId id : {100, 101}) take(*answer, output(id, a_, FinishReason::kLength));
    EXPECT_THAT(sink_.started.headers,
                ElementsAre(Pair("X-Ember-Ignored", "include, tools[1]:web_search")));
  }
}

TEST_F(GenerationAnswerTest, AStopStringCancelsTheRestOfItsRequest) {
  const auto answer = make(true, {"fox"});
  answer->start();
  take(*answer, output(101, fox_));
  EXPECT_THAT(cancels_, ElementsAre(101));
  const size_t so_far = sink_.payloads.size();
  take(*answer, output(101, a_));
  EXPECT_EQ(sink_.payloads.size(), so_far) << "late outputs are not told";
  EXPECT_FALSE(answer->finished());
}

TEST_F(GenerationAnswerTest, AFailedSequenceFailsTheWholeAnswer) {
  const auto answer = make(false);
  answer->start();
  take(*answer, output(100, a_));
  take(*answer, output(101, -1, FinishReason::kQueueTimeout));
  EXPECT_THAT(cancels_, ElementsAre(100));
  EXPECT_TRUE(answer->finished());
  EXPECT_EQ(answer->status(), 503);
  EXPECT_EQ(sink_.started.status, 503);
  EXPECT_THAT(sink_.started.headers, ElementsAre(testing::Pair("Retry-After", "9")));
  EXPECT_EQ(Json::parse(sink_.text)["error"]["code"], "queue_timeout");
  EXPECT_FALSE(sink_.complete);
  EXPECT_THAT(statuses_, ElementsAre(503));
}

TEST_F(GenerationAnswerTest, AnAbortedAnswerDoesNotComeBack) {
  const auto answer = make(false);
  answer->start();
  take(*answer, output(100, -1, FinishReason::kCancelled));
  EXPECT_THAT(sink_.started.headers, ElementsAre(testing::Pair("x-should-retry", "false")));
}

TEST_F(GenerationAnswerTest, AStreamThatFailsEndsWithTheError) {
  const auto answer = make(true);
  answer->start();
  take(*answer, output(100, a_));
  answer->fail({ErrorKind::kUnavailable, "no", "", "server_shutdown"});
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_THAT(sink_.payloads.back(), HasSubstr("\"server_shutdown\""));
  EXPECT_EQ(answer->status(), 200) << "that was said already";
  EXPECT_THAT(statuses_, ElementsAre(503));
  EXPECT_FALSE(sink_.complete);
  answer->fail({ErrorKind::kInternal, "again", "", ""});
  EXPECT_EQ(sink_.ends, 1);
}

TEST_F(GenerationAnswerTest, AReaderThatIsGoneGetsNothing) {
  const auto answer = make(true);
  answer->start();
  answer->abandon();
  EXPECT_TRUE(answer->finished());
  EXPECT_TRUE(sink_.payloads.empty());
  EXPECT_EQ(sink_.ends, 0);
  EXPECT_THAT(statuses_, ElementsAre(499));
  EXPECT_EQ(num_finished(all_metrics_, "abort"), 2);
}

TEST_F(GenerationAnswerTest, ReasoningIsCountedWhereItIsToldApart) {
  std::vector<Choice> choices;
  choices.emplace_back(
      demo_tokenizer(), std::vector<int32_t>{5},
      Choice::Options{.text = {.reasoning = ReasoningStyle{}, .reasoning_open = true}},
      TimePoint{});
  GenerationAnswer answer({.reasoning_counted = true}, std::move(choices),
                          make_chat_writer({.id = "1", .model = "m"}, demo_tokenizer(), {}, {}),
                          sink_, metrics_, Ticket());
  answer.start();
  take(answer, output(0, a_, FinishReason::kLength));
  const Json body = Json::parse(sink_.text);
  EXPECT_EQ(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 1);
  EXPECT_EQ(body["choices"][0]["message"]["reasoning_content"], "A");
}

}  // namespace
}  // namespace ember
