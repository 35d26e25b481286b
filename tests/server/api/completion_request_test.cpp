// SPDX-License-Identifier: Apache-2.0
#include "api/completion_request.h"

#include <gtest/gtest.h>

#include "server/api/requests.h"

namespace ember {
namespace {

Result<CompletionRequest> parse(const Json& prompt, const Json& more = Json::object()) {
  return parse_completion(with({{"prompt", prompt}}, more), some_model(), {});
}

TEST(CompletionRequest, PromptsAreTextsOrIds) {
  using Ids = std::vector<int32_t>;
  const auto one = parse("Hi.").value();
  ASSERT_EQ(one.prompts.size(), 1u);
  EXPECT_EQ(std::get<std::string>(one.prompts[0]), "Hi.");
  EXPECT_EQ(std::get<Ids>(parse({5, 6}).value().prompts.at(0)), (Ids{5, 6}));
  const auto several = parse({"a", "b"}).value();
  ASSERT_EQ(several.prompts.size(), 2u);
  EXPECT_EQ(std::get<std::string>(several.prompts[1]), "b");
  const auto lists = parse(Json::array({Json::array({1}), Json::array({2, 3})})).value();
  EXPECT_EQ(std::get<Ids>(lists.prompts.at(1)), (Ids{2, 3}));
}

TEST(CompletionRequest, FaultsOfPrompts) {
  EXPECT_EQ(fault(parse(nullptr)), "prompt: prompt is missing.");
  EXPECT_EQ(fault(parse(5)), "prompt: prompt must be a string or a list, not a number.");
  EXPECT_EQ(fault(parse(Json::array())),
            "prompt: prompt must be text, a list of token ids that is not empty, or a list of "
            "those.");
  EXPECT_EQ(fault(parse({500})), "prompt: prompt must hold token ids from 0 to 499.");
  EXPECT_EQ(fault(parse(Json::array({Json::array({1}), 5}))),
            "prompt: prompt must be text, a list of token ids that is not empty, or a list of "
            "those.");
  for (const Json& mixed : {Json::array({Json::array({1}), "a"}), Json::array({"a", {1}})})
    EXPECT_EQ(fault(parse(mixed)),
              "prompt: prompt must hold either texts or lists of token ids, not both.");
  for (const Json& mixed : {Json::array({1, "a"}), Json::array({"a", 1}), Json::array({{"a"}})})
    EXPECT_FALSE(parse(mixed).ok()) << mixed;
  EXPECT_EQ(fault(parse(Json(65, "x"))), "prompt: prompt must hold at most 64 prompts.");
  EXPECT_EQ(fault(parse(Json(9, "x"), {{"n", 8}})),
            "n: n times the number of prompts must be at most 64.");
}

TEST(CompletionRequest, NothingMayBeGeneratedForThePromptsSakeOnly) {
  EXPECT_EQ(fault(parse("x", {{"max_tokens", 0}})),
            "max_tokens: max_tokens must be at least 1, unless echo or prompt_logprobs asks for "
            "the prompt.");
  EXPECT_EQ(fault(parse("x", {{"max_tokens", 0}, {"echo", true}})), "");
  EXPECT_EQ(fault(parse("x", {{"max_tokens", 0}, {"prompt_logprobs", 0}})), "");
}

TEST(CompletionRequest, FieldsOfItsOwn) {
  const auto request =
      parse("x", {{"logprobs", 2}, {"echo", true}, {"add_special_tokens", false}, {"odd", 1}})
          .value();
  EXPECT_EQ(request.params.num_logprobs, 2);
  EXPECT_TRUE(request.echo);
  EXPECT_FALSE(request.add_special_tokens);
  EXPECT_EQ(request.params.num_unknown_fields, 1);
  EXPECT_EQ(parse("x").value().params.num_logprobs, -1);
}

}  // namespace
}  // namespace ember
