// SPDX-License-Identifier: Apache-2.0
#include "server/api/dialects.h"

namespace ember {
namespace {

TEST(ResponsesDialect, ReadsItsRequestAndWritesItsAnswer) {
  const Json answer = fox_answer(kResponsesDialect, {{"input", "Hi."}});
  EXPECT_EQ(answer["id"], "resp_1");
  EXPECT_EQ(answer["output"][0]["content"][0]["text"], "A fox.");
}

TEST(ResponsesDialect, AResponseRepeatsItsRequest) {
  const Json given = {{"instructions", "Be brief."}, {"metadata", {{"a", "b"}}},
                      {"max_output_tokens", 5},      {"temperature", 0.9},
                      {"tool_choice", nullptr},      {"user", "u"}};
  const Json response = fox_answer(kResponsesDialect, with({{"input", "Hi."}}, given));
  for (const char* name : {"instructions", "metadata", "max_output_tokens", "temperature", "user"})
    EXPECT_EQ(response[name], given[name]) << name;
  EXPECT_EQ(response["tool_choice"], "auto");
  EXPECT_EQ(response["tools"], Json::array());
  EXPECT_EQ(response["top_p"], 1.0);
}

TEST(ResponsesDialect, FaultsNameItsFields) {
  EXPECT_EQ(field_at_fault(kResponsesDialect, Json::object()), "input");
  EXPECT_EQ(field_at_fault(kResponsesDialect, {{"input", "x"}, {"max_output_tokens", 300}}),
            "max_output_tokens");
}

}  // namespace
}  // namespace ember
