// SPDX-License-Identifier: Apache-2.0
#include "api/generation.h"

#include <gmock/gmock.h>

#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Generation> chat(const Json& more, const std::string& text = "Hi.",
                        const std::string& field = "messages") {
  const ServedModel model = demo_model();
  ChatRequest request =
      parse_chat(with({{"messages", user_message(text)}}, more), model.info, {}).value();
  request.messages_field = field;
  return prepare_chat(model, std::move(request));
}

TEST(Generation, AChatIsRendered) {
  const Generation generation = chat({{"n", 2}}).value();
  ASSERT_EQ(generation.prompts.size(), 1u);
  EXPECT_EQ(generation.num_choices(), 2u);
  EXPECT_EQ(generation.max_tokens[0], 300 - static_cast<int>(generation.prompts[0].size()))
      << "all that fits";
  const std::string text = demo_tokenizer().decode(generation.prompts[0], false).value();
  EXPECT_THAT(text, HasSubstr("user<|end_header_id|>\n\nHi.<|eot_id|>"));
}

TEST(Generation, WhatDoesNotFitIsRefusedByTheFieldsOwnName) {
  const std::string words = [] {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "fox ";
    return text;
  }();
  EXPECT_THAT(fault(chat(Json::object(), words, "input")),
              testing::MatchesRegex("input: The prompt has [0-9]+ tokens; the context of 300 must "
                                    "hold them and at least one more."));
  EXPECT_THAT(fault(chat(Json::object(), std::string(100000, 'x'), "input")),
              HasSubstr("input: input has 100"));
  EXPECT_THAT(fault(chat({{"max_completion_tokens", 299}})), HasSubstr("max_completion_tokens: "));
  EXPECT_THAT(fault(chat({{"max_completion_tokens", 299}})),
              HasSubstr(" prompt tokens and max_completion_tokens 299 exceed the context of 300."));
  EXPECT_THAT(fault(chat({{"min_tokens", 299}})),
              HasSubstr("min_tokens: min_tokens must not be above the "));
}

// The demo model's template knows no efforts.
TEST(Generation, HintsThatTheTemplateDoesNotReadAreIgnored) {
  EXPECT_THAT(chat({{"reasoning_effort", "low"}, {"service_tier", "auto"}}).value().params.ignored,
              ElementsAre("service_tier", "reasoning_effort"));
  ServedModel model = demo_model();
  model.chat_template =
      ChatTemplate::compile("{{ reasoning_effort }}{{ messages[0].content }}", "", demo_tokenizer())
          .value();
  ChatRequest request =
      parse_chat({{"messages", user_message("Hi.")}, {"reasoning_effort", "low"}}, model.info, {})
          .value();
  EXPECT_EQ(render_chat(model, request).value().text, "lowHi.");
  EXPECT_THAT(prepare_chat(model, request).value().params.ignored, ElementsAre());
}

TEST(Generation, AMessageThatCannotBeContinuedIsNamedAsTheApiDoes) {
  ServedModel model = demo_model();
  model.chat_template = ChatTemplate::compile("nothing", "", demo_tokenizer()).value();
  ChatRequest request =
      parse_messages_request(
          {{"max_tokens", 2},
           {"messages", Json::array({{{"role", "assistant"}, {"content", "a"}}})}},
          model.info, {})
          .value();
  EXPECT_EQ(render_chat(model, request).error().param, "messages");
}

TEST(Generation, AModelWithoutATemplateCannotChat) {
  ServedModel model = demo_model();
  model.chat_template = nullptr;
  ChatRequest request = parse_chat({{"messages", user_message("Hi.")}}, model.info, {}).value();
  request.messages_field = "input";
  const Result<ChatPrompt> prompt = render_chat(model, request);
  EXPECT_EQ(prompt.error().code, "no_chat_template");
  EXPECT_EQ(prompt.error().param, "input");
}

}  // namespace
}  // namespace ember
