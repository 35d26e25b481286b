// SPDX-License-Identifier: Apache-2.0
#include "api/chat_text.h"

#include <gmock/gmock.h>

namespace ember {
namespace {

ChatText::Options options(bool open = false) {
  return {
      .reasoning = ReasoningStyle{},
      .reasoning_open = open,
      .tools = ToolParser::Options{.dialect = tool_dialect_by_name("hermes"), .functions = {"f"}}};
}

ChatParts parse(const std::string& text, const ChatText::Options& how, size_t piece = SIZE_MAX) {
  ChatText parser(how);
  ChatParts all;
  size_t at = 0;
  do {
    const std::string part = text.substr(at, piece);
    at += part.size();
    all.append(parser.push(part, at == text.size()));
  } while (at < text.size());
  return all;
}

constexpr const char* kFull =
    "<think>\nLet me see.\n</think>\n\nI look.\n<tool_call>{\"name\": \"f\", \"arguments\": "
    "{\"a\": 1}}</tool_call>";

TEST(ChatText, ReasoningContentAndCalls) {
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{3}}) {
    const ChatParts parts = parse(kFull, options(), piece);
    EXPECT_EQ(parts.reasoning, "Let me see.");
    EXPECT_EQ(parts.content, "I look.");
    ASSERT_EQ(parts.calls.size(), 1u);
    EXPECT_EQ(parts.calls[0].name, "f");
    EXPECT_EQ(parts.calls[0].arguments, "{\"a\":1}");
  }
}

TEST(ChatText, CallsInsideReasoningAreReasoning) {
  const ChatParts parts = parse(
      "hm <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call></think>Done.", options(true));
  EXPECT_THAT(parts.reasoning, testing::HasSubstr("<tool_call>"));
  EXPECT_EQ(parts.content, "Done.");
  EXPECT_TRUE(parts.calls.empty());
}

TEST(ChatText, PlainTextIsContent) {
  EXPECT_EQ(parse(kFull, {}).content, kFull);
  EXPECT_EQ(parse(" a ", options(), 1).content, " a ");
  EXPECT_TRUE(parse("", options()).empty());
}

TEST(ChatText, TellsWhileItReasons) {
  ChatText text(options());
  EXPECT_FALSE(text.reasoning());
  text.push("<think>a", false);
  EXPECT_TRUE(text.reasoning());
  text.push("</think>", false);
  EXPECT_FALSE(text.reasoning());
}

ChatText::Options with_channels(const char* style) {
  return {
      .reasoning = reasoning_style_by_name(style),
      .tools = ToolParser::Options{.dialect = tool_dialect_by_name("harmony"), .functions = {"f"}}};
}

TEST(ChatText, ChannelsCarryAllThree) {
  const std::string preamble =
      "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I "
      "look.<|end|><|start|>assistant";
  const std::string call = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}";
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{3}}) {
    const ChatParts parts = parse(preamble + call, with_channels("harmony"), piece);
    EXPECT_EQ(parts.reasoning, "Hm.");
    EXPECT_EQ(parts.content, "I look.");
    ASSERT_EQ(parts.calls.size(), 1u);
    EXPECT_EQ(parts.calls[0].arguments, "{}");
    ChatText::Options words = with_channels("harmony");
    words.tools.reset();
    EXPECT_EQ(parse(preamble + call, words, piece).content, "I look.\n" + call);
    EXPECT_EQ(parse(preamble + call, with_channels("none"), piece).content, "Hm.I look.");
  }
  ChatText::Options open = with_channels("harmony");
  open.reasoning_open = true;
  EXPECT_EQ(parse("Hm.<|end|><|start|>assistant" + call, open).reasoning, "Hm.");
  ChatText text(open);
  EXPECT_TRUE(text.reasoning());
}

TEST(ChatText, MarkersStayVisible) {
  EXPECT_THAT(markers_of(with_channels("harmony")),
              testing::IsSupersetOf({"<|channel|>", "<|call|>"}));

  EXPECT_THAT(markers_of(options()),
              testing::UnorderedElementsAre("<think>", "</think>", "<tool_call>", "</tool_call>"));
  EXPECT_TRUE(markers_of({}).empty());
}

}  // namespace
}  // namespace ember
