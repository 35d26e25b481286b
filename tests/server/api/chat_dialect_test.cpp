// SPDX-License-Identifier: Apache-2.0
#include "server/api/dialects.h"

namespace ember {
namespace {

TEST(ChatDialect, ReadsItsRequestAndWritesItsAnswer) {
  const Json answer = fox_answer(kChatDialect, {{"messages", user_message("Hi.")}});
  EXPECT_EQ(answer["id"], "chatcmpl-1");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "A fox.");
}

TEST(ChatDialect, TheAnswerTellsWhatWasAskedFor) {
  const Json answer =
      fox_answer(kChatDialect, {{"messages", user_message("Hi.")}, {"return_token_ids", true}});
  EXPECT_GT(answer["prompt_token_ids"].size(), 5u);
}

TEST(ChatDialect, FaultsNameItsFields) {
  EXPECT_EQ(field_at_fault(kChatDialect, Json::object()), "messages");
}

}  // namespace
}  // namespace ember
