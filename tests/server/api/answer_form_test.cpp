// SPDX-License-Identifier: Apache-2.0
#include "api/answer_form.h"

#include <gmock/gmock.h>

#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {
namespace {

const Json kTools = Json::array(
    {{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", {{"type", "object"}}}}}}});

ChatRequest request(const Json& more) {
  return parse_chat(with({{"messages", user_message("Hi.")}}, more), some_model(), {}).value();
}

TEST(AnswerForm, PlainTextIsBoundToNothing) {
  const AnswerForm form = form_of_chat(demo_model(), request(Json::object()), "Hi.").value();
  EXPECT_EQ(form.grammar, nullptr);
  EXPECT_FALSE(form.text.tools || form.text.reasoning);
}

TEST(AnswerForm, AFormatBindsTheAnswer) {
  const ChatRequest json = request({{"response_format", {{"type", "json_object"}}}});
  EXPECT_NE(form_of_chat(demo_model(), json, "").value().grammar, nullptr);
  const ChatRequest bad = request({{"structured_outputs", {{"regex", "("}}}});
  EXPECT_EQ(form_of_chat(demo_model(), bad, "").error().param, "structured_outputs");
}

TEST(AnswerForm, ToolsAreLookedForAndBound) {
  const AnswerForm form =
      form_of_chat(demo_model(), request({{"tools", kTools}, {"tool_choice", "required"}}), "")
          .value();
  EXPECT_NE(form.grammar, nullptr);
  ASSERT_TRUE(form.text.tools);
  EXPECT_TRUE(form.text.tools->constrained);
  EXPECT_THAT(form.text.tools->functions, testing::ElementsAre("f"));
  const ChatRequest none = request({{"tools", kTools}, {"tool_choice", "none"}});
  EXPECT_FALSE(form_of_chat(demo_model(), none, "").value().text.tools);
}

TEST(AnswerForm, SchemasThatCannotBeHonouredBindNothingUnlessACallIsRequired) {
  Json tools = kTools;
  tools[0]["function"]["parameters"] = {{"type", "nothing"}};
  const Result<AnswerForm> free = form_of_chat(demo_model(), request({{"tools", tools}}), "");
  EXPECT_EQ(free.value().grammar, nullptr);
  EXPECT_FALSE(free.value().text.tools->constrained);
  const ChatRequest required = request({{"tools", tools}, {"tool_choice", "required"}});
  EXPECT_EQ(form_of_chat(demo_model(), required, "").error().param, "tools");
}

TEST(AnswerForm, ThePromptMayOpenTheReasoning) {
  ServedModel model = demo_model();
  model.reasoning_style = ReasoningStyle{};
  EXPECT_TRUE(
      form_of_chat(model, request(Json::object()), "Hi.<think>\n").value().text.reasoning_open);
  EXPECT_FALSE(form_of_chat(model, request(Json::object()), "Hi.").value().text.reasoning_open);
  const ChatRequest tools = request({{"tools", kTools}});
  EXPECT_EQ(form_of_chat(model, tools, "Hi.").value().grammar, nullptr) << "it may reason first";
  EXPECT_NE(form_of_chat(model, tools, "Hi.<think>").value().grammar, nullptr);
}

TEST(AnswerForm, AContinuedMessageHasItsReasoningBehindIt) {
  ServedModel model = demo_model();
  ChatRequest continued = request(Json::object());
  continued.continue_final_message = true;
  for (const bool always_open : {false, true}) {
    model.reasoning_style = ReasoningStyle{.always_open = always_open};
    const auto text = [&](const char* said) {
      continued.messages.back() = {.role = "assistant", .content = std::string(said)};
      return form_of_chat(model, continued, std::string("A user wrote <think>. ") + said)
          .value()
          .text;
    };
    EXPECT_FALSE(text("Hi. Once upon").reasoning) << "what others wrote does not count";
    EXPECT_FALSE(text("<think>Hm.</think>Once upon").reasoning);
    EXPECT_TRUE(text("<think>a</think>b <think>Hm, the").reasoning_open);
  }
}

TEST(AnswerForm, ChannelsBringTheirOwnReasoning) {
  ServedModel model = demo_model();
  model.reasoning_style = reasoning_style_by_name("harmony");
  model.tool_dialect = tool_dialect_by_name("harmony");
  const ChatRequest json = request({{"response_format", {{"type", "json_object"}}}});
  EXPECT_NE(form_of_chat(model, json, "<|start|>assistant").value().grammar, nullptr);
  const ChatRequest required = request({{"tools", kTools}, {"tool_choice", "required"}});
  const AnswerForm form = form_of_chat(model, required, "<|start|>assistant").value();
  EXPECT_NE(form.grammar, nullptr);
  EXPECT_THAT(form.text.tools->parameters, testing::ElementsAre(Json{{"type", "object"}}));
  EXPECT_EQ(form_of_chat(model, request({{"tools", kTools}}), "").value().grammar, nullptr)
      << "it may reason first";
}

TEST(AnswerForm, ToolsThatCannotBeCalledAreRefused) {
  ServedModel model = demo_model();
  const ChatRequest tools = request({{"tools", kTools}});
  EXPECT_TRUE(check_tools(model, tools).ok());
  const ChatRequest both =
      request({{"tools", kTools}, {"response_format", {{"type", "json_object"}}}});
  EXPECT_EQ(fault(check_tools(model, both)),
            "response_format: response_format is not possible with tools that may be called: set "
            "tool_choice to none.");
  model.tool_dialect = nullptr;
  EXPECT_EQ(check_tools(model, tools).error().code, "unsupported_parameter");
  EXPECT_TRUE(check_tools(model, request({{"tools", kTools}, {"tool_choice", "none"}})).ok());
}

}  // namespace
}  // namespace ember
