// SPDX-License-Identifier: Apache-2.0
#include "api/answer_event.h"

#include <gtest/gtest.h>

#include "server/api/answers.h"

namespace ember {
namespace {

TEST(AnswerEvent, EventsPutTogetherAreTheWholeChoice) {
  std::vector<AnswerEvent> events = events_of_everything();
  events[0].prompt_tokens = {{.token = 7}};
  for (size_t i = 0; i < events.size(); ++i) events[i].tokens = {{.token = static_cast<int>(i)}};
  for (AnswerEvent& event : events) event.choice = 3;
  events[0].first = true;
  AnswerEvent whole;
  for (const AnswerEvent& event : events) whole.append(event);
  EXPECT_EQ(whole.choice, 3u);
  EXPECT_TRUE(whole.first);
  EXPECT_EQ(whole.reasoning, "Hmm.");
  EXPECT_EQ(whole.content, "Let me see.");
  ASSERT_EQ(whole.calls.size(), 2u);
  EXPECT_EQ(whole.calls[0].name, "weather");
  EXPECT_EQ(whole.calls[0].arguments, "{\"city\":\"Rome\"}");
  EXPECT_EQ(whole.calls[1].id, "c1");
  ASSERT_EQ(whole.tokens.size(), events.size());
  EXPECT_EQ(whole.tokens.back().token, 9);
  EXPECT_EQ(whole.prompt_tokens.size(), 1u);
  EXPECT_EQ(whole.finish->reason, Finish::Reason::kToolCalls);
}

TEST(AnswerEvent, AnEmptyOneChangesNothing) {
  AnswerEvent event = last_event("x", {Finish::Reason::kStop, "END"});
  event.append({});
  EXPECT_EQ(event.content, "x");
  EXPECT_EQ(std::get<std::string>(event.finish->stop), "END");
}

}  // namespace
}  // namespace ember
