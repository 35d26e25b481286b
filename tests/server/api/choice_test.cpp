// SPDX-License-Identifier: Apache-2.0
#include "api/choice.h"

#include <gtest/gtest.h>

#include "server/api/answers.h"

namespace ember {
namespace {

// Feeds a text token by token and puts the events together.
struct Fed {
  AnswerEvent whole;
  std::vector<AnswerEvent> events;
};

class ChoiceTest : public testing::Test {
 protected:
  Choice make(Choice::Options options = {}) {
    return Choice(demo_tokenizer(), prompt_, options, TimePoint{});
  }

  Fed feed(Choice& choice, const std::string& text, FinishReason last = FinishReason::kLength) {
    Fed fed;
    const std::vector<int32_t> ids = ids_of(text);
    for (size_t i = 0; i < ids.size() && !choice.finished(); ++i) {
      TokenOutput output;
      output.token = ids[i];
      output.num_cached_tokens = 2;
      if (i + 1 == ids.size()) output.finish = last;
      if (std::optional<AnswerEvent> event = choice.take(output, metrics_)) {
        fed.whole.append(*event);
        fed.events.push_back(std::move(*event));
      }
    }
    return fed;
  }

  static std::string finish_name(const AnswerEvent& event) {
    switch (event.finish.value().reason) {
      case Finish::Reason::kStop:
        return "stop";
      case Finish::Reason::kLength:
        return "length";
      case Finish::Reason::kToolCalls:
        return "tool_calls";
    }
    return "";
  }

  Metrics all_metrics_{"1"};
  ModelMetrics metrics_{all_metrics_, "m"};
  const std::vector<int32_t> prompt_ = {5, 6, 7};
};

TEST_F(ChoiceTest, EventsPutTogetherAreTheText) {
  Choice choice = make({.index = 3});
  const Fed fed = feed(choice, "The quick fox.");
  EXPECT_EQ(fed.whole.content, "The quick fox.");
  EXPECT_EQ(finish_name(fed.whole), "length");
  EXPECT_TRUE(fed.events[0].first);
  EXPECT_FALSE(fed.events[1].first);
  EXPECT_EQ(fed.events[1].choice, 3u);
  EXPECT_EQ(fed.whole.tokens.size(), ids_of("The quick fox.").size());
  EXPECT_EQ(choice.num_tokens(), static_cast<int>(fed.whole.tokens.size()));
  EXPECT_EQ(choice.num_prompt_tokens(), 3);
  EXPECT_EQ(choice.num_cached_tokens(), 2);
}

TEST_F(ChoiceTest, AStopStringEndsItBeforeTheLastOutput) {
  Choice choice = make({.stop = {"fox"}});
  const Fed fed = feed(choice, "The quick fox ran away.");
  EXPECT_TRUE(choice.finished());
  EXPECT_EQ(fed.whole.content, "The quick ");
  EXPECT_EQ(finish_name(fed.whole), "stop");
  EXPECT_EQ(std::get<std::string>(fed.whole.finish->stop), "fox");
  EXPECT_EQ(choice.num_tokens(), static_cast<int>(fed.whole.tokens.size()))
      << "the tokens of held-back text are told too";
}

TEST_F(ChoiceTest, AStopStringOfTheModelEndsItAsATokenDoes) {
  Choice choice = make({.stop = {"nowhere"}, .silent_stop = {"fox"}});
  const Fed fed = feed(choice, "The quick fox ran away.");
  EXPECT_EQ(fed.whole.content, "The quick ");
  EXPECT_EQ(finish_name(fed.whole), "stop");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(fed.whole.finish->stop));
}

TEST_F(ChoiceTest, AStopTokenIsTextOnlyWhenAskedFor) {
  const std::vector<int32_t> ids = ids_of("A fox");
  Choice plain = make();
  const Fed silent = feed(plain, "A fox", FinishReason::kStop);
  EXPECT_NE(silent.whole.content, "A fox");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(silent.whole.finish->stop));
  Choice including = make({.include_stop = true, .stop_token_ids = {ids.back()}});
  const Fed told = feed(including, "A fox", FinishReason::kStop);
  EXPECT_EQ(told.whole.content, "A fox");
  EXPECT_EQ(std::get<int32_t>(told.whole.finish->stop), ids.back());
}

TEST_F(ChoiceTest, ReasoningAndCallsAreToldApart) {
  const ChatText::Options text{
      .reasoning = ReasoningStyle{},
      .reasoning_open = true,
      .tools = ToolParser::Options{.dialect = tool_dialect_by_name("hermes"), .functions = {"f"}}};
  Choice choice = make({.text = text});
  const Fed fed =
      feed(choice, "I think.</think>So.<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
           FinishReason::kLength);
  EXPECT_EQ(fed.whole.reasoning, "I think.");
  EXPECT_EQ(fed.whole.content, "So.");
  ASSERT_EQ(fed.whole.calls.size(), 1u);
  EXPECT_EQ(fed.whole.calls[0].name, "f");
  EXPECT_EQ(finish_name(fed.whole), "length") << "it was cut, whatever it called";
  EXPECT_GT(choice.num_reasoning_tokens(), 0);
  EXPECT_LT(choice.num_reasoning_tokens(), choice.num_tokens());
  EXPECT_EQ(fed.whole.tokens.size(), static_cast<size_t>(choice.num_tokens()))
      << "none is lost while text is held back";
  EXPECT_LT(fed.events.size(), fed.whole.tokens.size()) << "a held-back call makes no events";
}

TEST_F(ChoiceTest, AnAnswerThatCallsEndsWithToolCalls) {
  const ChatText::Options text{
      .reasoning = std::nullopt,
      .tools = ToolParser::Options{.dialect = tool_dialect_by_name("hermes"), .functions = {"f"}}};
  Choice choice = make({.include_stop = true, .text = text});
  const Fed fed = feed(choice, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
                       FinishReason::kStop);
  EXPECT_EQ(finish_name(fed.whole), "tool_calls");
}

TEST_F(ChoiceTest, ThePromptsProbabilitiesComeWithTheFirstEvent) {
  Choice choice = make();
  TokenOutput some;
  some.prompt_logprobs = {{.token = 6, .logprob = -1, .token_rank = 1, .top = {}}};
  EXPECT_FALSE(choice.take(some, metrics_)) << "nothing to say yet";
  some.prompt_logprobs = {{.token = 7, .logprob = -2, .token_rank = 2, .top = {}}};
  some.finish = FinishReason::kLength;
  const std::optional<AnswerEvent> event = choice.take(some, metrics_);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->first);
  ASSERT_EQ(event->prompt_tokens.size(), 2u);
  EXPECT_EQ(event->prompt_tokens[1].token, 7);
  EXPECT_TRUE(event->tokens.empty());
}

TEST_F(ChoiceTest, EachEndIsCountedOnce) {
  Choice ended = make(), given_up = make();
  feed(ended, "A fox");
  ended.give_up("abort", metrics_);
  given_up.give_up("abort", metrics_);
  EXPECT_EQ(num_finished(all_metrics_, "length"), 1);
  EXPECT_EQ(num_finished(all_metrics_, "abort"), 1);
}

}  // namespace
}  // namespace ember
