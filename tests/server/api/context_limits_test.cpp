// SPDX-License-Identifier: Apache-2.0
#include "api/context_limits.h"

#include <gtest/gtest.h>

#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {
namespace {

TEST(ContextLimits, TextThatCannotFitIsRefusedUnread) {
  const ServedModel model = demo_model();
  const size_t most = 4 * 300 * demo_tokenizer().max_token_bytes();
  EXPECT_TRUE(check_length(model, most, "prompt").ok());
  const Result<void> more = check_length(model, most + 1, "prompt");
  EXPECT_EQ(more.error().code, "context_length_exceeded");
  EXPECT_EQ(more.error().param, "prompt");
}

TEST(ContextLimits, TheContextHoldsPromptAndOutput) {
  const ServedModel model = demo_model();
  GenerationParams params;
  const auto tokens = [&](size_t prompt, int32_t fallback = 16) {
    return output_tokens(model, params, prompt, fallback, "input");
  };
  EXPECT_EQ(tokens(10).value(), 16);
  EXPECT_EQ(tokens(290).value(), 10) << "no more than fit";
  EXPECT_EQ(fault(tokens(0)), "input: input holds no tokens.");
  EXPECT_EQ(fault(tokens(300)),
            "input: The prompt has 300 tokens; the context of 300 must hold them and at least one "
            "more.");
  params.max_tokens = 100;
  params.max_tokens_field = "max_output_tokens";
  EXPECT_EQ(tokens(200).value(), 100);
  EXPECT_EQ(fault(tokens(201)),
            "max_output_tokens: 201 prompt tokens and max_output_tokens 100 exceed the context of "
            "300.");
  params.max_tokens = std::nullopt;
  params.min_tokens = 20;
  EXPECT_EQ(fault(tokens(10)), "min_tokens: min_tokens must not be above the 16 tokens that fit.");
}

}  // namespace
}  // namespace ember
