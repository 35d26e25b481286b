// SPDX-License-Identifier: Apache-2.0
#include "server/api/dialects.h"

namespace ember {
namespace {

TEST(MessagesDialect, ReadsItsRequestAndWritesItsAnswer) {
  const Json answer =
      fox_answer(kMessagesDialect, {{"messages", user_message("Hi.")}, {"max_tokens", 5}});
  EXPECT_EQ(answer["id"], "msg_1");
  EXPECT_EQ(answer["content"][0]["text"], "A fox.");
}

TEST(MessagesDialect, FaultsNameItsFields) {
  EXPECT_EQ(field_at_fault(kMessagesDialect, Json::object()), "max_tokens");
}

}  // namespace
}  // namespace ember
