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

TEST(ChatText, MarkersStayVisible) {
  EXPECT_THAT(markers_of(options()),
              testing::UnorderedElementsAre("<think>", "</think>", "<tool_call>", "</tool_call>"));
  EXPECT_TRUE(markers_of({}).empty());
}

}  // namespace
}  // namespace ember
