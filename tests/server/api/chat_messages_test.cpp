// SPDX-License-Identifier: Apache-2.0
#include "api/chat_messages.h"

#include <gtest/gtest.h>

#include "server/api/requests.h"

namespace ember {
namespace {

Result<std::vector<Message>> read(const Json& messages) {
  const Json body = {{"messages", messages}};
  FieldReader fields(body);
  return read_messages(fields);
}

std::string fault_of(const Json& message) { return fault(read(Json::array({message}))); }

Json call(const Json& id, const Json& arguments) {
  return {
      {"id", id}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", arguments}}}};
}

Json calling(const Json& calls) { return {{"role", "assistant"}, {"tool_calls", calls}}; }

TEST(ChatMessages, TheTemplateIsGivenWhatWasSent) {
  const Json messages = Json::array(
      {{{"role", "system"}, {"content", "Be brief."}},
       {{"role", "user"},
        {"content",
         Json::array({{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}})},
        {"name", "Ann"}},
       {{"role", "assistant"},
        {"content", nullptr},
        {"tool_calls", Json::array({call("c1", "{\"a\":1}"), call("c2", Json::object())})},
        {"reasoning_content", "Hm."}},
       {{"role", "tool"}, {"content", "5"}, {"tool_call_id", "c1"}}});
  const auto result = read(messages);
  ASSERT_TRUE(result.ok()) << fault(result);
  EXPECT_EQ(template_messages(result.value()).dump(), messages.dump());
  EXPECT_EQ(result.value()[2].calls[1].arguments, Json::object());
  EXPECT_EQ(result.value()[3].call_id, "c1");
}

TEST(ChatMessages, ContentMayBeMissingWithCallsOnly) {
  EXPECT_EQ(fault_of(calling(Json::array({call("c", "")}))), "");
  EXPECT_EQ(fault_of(calling(Json::array())),
            "messages[0].content: messages[0].content is missing.");
  EXPECT_EQ(fault_of({{"role", "user"}}), "messages[0].content: messages[0].content is missing.");
  EXPECT_EQ(fault_of({{"role", "assistant"}, {"content", "x"}, {"tool_calls", nullptr}}), "");
}

TEST(ChatMessages, FaultsNameThePlace) {
  EXPECT_EQ(fault(read("x")), "messages: messages must be a list of objects.");
  EXPECT_EQ(fault(read(Json::array())), "messages: messages must hold 1 to 2048 messages.");
  EXPECT_EQ(fault_of(5), "messages[0]: messages[0] must be an object, not a number.");
  EXPECT_EQ(
      fault_of({{"role", "king"}}),
      "messages[0].role: messages[0].role must be system, developer, user, assistant or tool.");
  EXPECT_EQ(fault_of({{"role", "user"}, {"content", 5}}),
            "messages[0].content: messages[0].content must be a string or a list of parts, not a "
            "number.");
  EXPECT_EQ(fault_of({{"role", "user"}, {"content", Json::array()}}),
            "messages[0].content: messages[0].content must hold 1 to 1024 parts.");
  EXPECT_EQ(fault_of({{"role", "user"}, {"content", Json::array({{{"type", "image_url"}}})}}),
            "messages[0].content[0]: messages[0].content[0] must be of the type text: no other "
            "content is supported.");
  EXPECT_EQ(fault_of({{"role", "user"}, {"content", Json::array({{{"type", "text"}}})}}),
            "messages[0].content[0].text: messages[0].content[0].text must be a string.");
  EXPECT_EQ(fault_of({{"role", "tool"}, {"content", "x"}}),
            "messages[0].tool_call_id: messages[0].tool_call_id must be a string.");
}

TEST(ChatMessages, WhatTemplatesPrintIsText) {
  for (const char* name : {"name", "reasoning_content", "reasoning", "thinking", "refusal"}) {
    const std::string path = std::string("messages[0].") + name;
    EXPECT_EQ(fault_of({{"role", "assistant"}, {"content", "x"}, {name, 5}}),
              path + ": " + path + " must be a string, not a number.");
    EXPECT_EQ(fault_of({{"role", "assistant"}, {"content", "x"}, {name, nullptr}}), "");
  }
  EXPECT_EQ(fault_of({{"role", "user"}, {"content", "x"}, {"tool_call_id", Json::array()}}),
            "messages[0].tool_call_id: messages[0].tool_call_id must be a string, not a list.");
}

TEST(ChatMessages, NoCallsAreTheSameAsNone) {
  const Json list = template_messages(
      read(Json::array({{{"role", "assistant"}, {"content", "x"}, {"tool_calls", Json::array()}}}))
          .value());
  EXPECT_EQ(list[0], (Json{{"role", "assistant"}, {"content", "x"}}));
}

TEST(ChatMessages, FaultsOfCallsNameTheCall) {
  EXPECT_EQ(
      fault_of(calling(Json::array({5}))),
      "messages[0].tool_calls[0]: messages[0].tool_calls[0] must hold an object \"function\".");
}

TEST(ChatMessages, AnswersBelongToCalls) {
  const Json answer = {{"role", "tool"}, {"content", "5"}, {"tool_call_id", "x"}};
  EXPECT_EQ(fault(read(Json::array({answer}))), "") << "no call has an id";
  EXPECT_EQ(fault(read(Json::array({calling(Json::array({call("c", "{}")})), answer}))),
            "messages[1].tool_call_id: messages[1].tool_call_id is of no call in the messages "
            "before.");
}

}  // namespace
}  // namespace ember
