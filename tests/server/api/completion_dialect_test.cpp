// SPDX-License-Identifier: Apache-2.0
#include "server/api/dialects.h"

namespace ember {
namespace {

TEST(CompletionDialect, ReadsItsRequestAndWritesItsAnswer) {
  const Json answer = fox_answer(kCompletionDialect, {{"prompt", "Hi."}, {"echo", true}});
  EXPECT_EQ(answer["id"], "cmpl-1");
  EXPECT_EQ(answer["choices"][0]["text"], "Hi.A fox.");
}

TEST(CompletionDialect, FaultsNameItsFields) {
  EXPECT_EQ(field_at_fault(kCompletionDialect, Json::object()), "prompt");
}

}  // namespace
}  // namespace ember
