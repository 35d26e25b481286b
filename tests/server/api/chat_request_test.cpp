// SPDX-License-Identifier: Apache-2.0
#include "api/chat_request.h"

#include <gtest/gtest.h>

#include "server/api/requests.h"

namespace ember {
namespace {

Result<ChatRequest> parse(const Json& more) {
  return parse_chat(with({{"messages", user_message("Hi.")}}, more), some_model(), {});
}

TEST(ChatRequest, EverythingReachesTheTemplate) {
  const Json tool = {{"type", "function"}, {"function", {{"name", "f"}}}};
  const Result<ChatRequest> request =
      parse({{"tools", Json::array({tool})},
             {"documents", Json::array({{{"title", "t"}, {"text", "x"}}})},
             {"chat_template_kwargs", {{"enable_thinking", false}}},
             {"reasoning_effort", "low"},
             {"add_generation_prompt", false},
             {"continue_final_message", true}});
  ASSERT_TRUE(request.ok()) << fault(request);
  const ChatInput input = template_input(request.value());
  EXPECT_EQ(input.messages, user_message("Hi."));
  EXPECT_EQ(input.tools, Json::array({tool}));
  EXPECT_EQ(input.documents[0]["title"], "t");
  EXPECT_EQ(input.kwargs, (Json{{"enable_thinking", false}, {"reasoning_effort", "low"}}));
  EXPECT_FALSE(input.add_generation_prompt);
  EXPECT_TRUE(input.continue_final_message);
  const ChatInput plain = template_input(parse(Json::object()).value());
  EXPECT_TRUE(plain.tools.is_null() && plain.documents.is_null() && plain.add_generation_prompt);
}

TEST(ChatRequest, TheNewerNameOfMaxTokensWins) {
  const Result<ChatRequest> request = parse({{"max_tokens", 5}, {"max_completion_tokens", 6}});
  EXPECT_EQ(request.value().params.max_tokens, 6);
  EXPECT_EQ(request.value().params.max_tokens_field, "max_completion_tokens");
  EXPECT_EQ(fault(parse({{"max_tokens", 0}})),
            "max_tokens: max_tokens must be an integer from 1 to 2147483647.");
}

TEST(ChatRequest, LogprobsOfTheMostLikelyAreAskedForTwice) {
  EXPECT_EQ(parse(Json::object()).value().params.num_logprobs, -1);
  EXPECT_EQ(parse({{"logprobs", true}}).value().params.num_logprobs, 0);
  EXPECT_EQ(parse({{"logprobs", true}, {"top_logprobs", 3}}).value().params.num_logprobs, 3);
  EXPECT_EQ(fault(parse({{"top_logprobs", 3}})),
            "top_logprobs: top_logprobs is only possible with logprobs: true.");
}

TEST(ChatRequest, FaultsOfTheTemplatesInput) {
  EXPECT_EQ(fault(parse({{"continue_final_message", true}, {"add_generation_prompt", true}})),
            "continue_final_message: continue_final_message and add_generation_prompt exclude each "
            "other.");
}

TEST(ChatRequest, UnknownFieldsAreCounted) {
  EXPECT_EQ(parse({{"a", 1}, {"b", 2}, {"n", 2}}).value().params.num_unknown_fields, 2);
}

}  // namespace
}  // namespace ember
