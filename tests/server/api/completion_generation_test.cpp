// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "api/generation.h"
#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {
namespace {

using testing::ElementsAre;

Result<Generation> completion(const Json& more) {
  const ServedModel model = demo_model();
  return prepare_completion(model, parse_completion(more, model.info, {}).value());
}

TEST(CompletionGeneration, CompletionsHaveAPromptEach) {
  const Generation generation =
      completion({{"prompt", {"A fox", "ran"}}, {"echo", true}, {"add_special_tokens", false}})
          .value();
  EXPECT_EQ(generation.prompts.at(0), ids_of("A fox"));
  EXPECT_EQ(generation.prompts.at(1), ids_of("ran"));
  EXPECT_THAT(generation.max_tokens, ElementsAre(16, 16)) << "OpenAI's default";
  EXPECT_THAT(generation.echo, ElementsAre("A fox", "ran"));
  const Generation ids = completion({{"prompt", ids_of("A fox")}, {"echo", true}}).value();
  EXPECT_THAT(ids.echo, ElementsAre("A fox"));
  EXPECT_TRUE(completion({{"prompt", "x"}}).value().echo.empty());
  EXPECT_NE(completion({{"prompt", "x"}, {"guided_regex", "a"}}).value().form.grammar, nullptr);
}

TEST(CompletionGeneration, WhatCannotBeIsRefused) {
  EXPECT_EQ(fault(completion({{"prompt", ""}, {"add_special_tokens", false}})),
            "prompt: prompt holds no tokens.");
  EXPECT_EQ(fault(completion({{"prompt", std::string(100000, 'x')}})),
            "prompt: prompt has 100000 bytes, which cannot fit into the context of 300 tokens.");
}

}  // namespace
}  // namespace ember
