// SPDX-License-Identifier: Apache-2.0
#include "api/message.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using Json = nlohmann::ordered_json;

TEST(Message, TemplatesAreGivenOpenAisForm) {
  Message called{.role = "assistant",
                 .content = {},
                 .calls = {{.id = "c1", .name = "f", .arguments = "{}"},
                           {.id = "", .name = "g", .arguments = nullptr}}};
  called.others["reasoning_content"] = "Hm.";
  const Json list =
      template_messages({{.role = "system", .content = "Be brief."},
                         {.role = "user", .content = std::vector<std::string>{"a", "b"}},
                         called,
                         {.role = "tool", .content = "5", .call_id = "c1"}});
  EXPECT_EQ(list.dump(),
            R"([{"role":"system","content":"Be brief."},)"
            R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
            R"({"role":"assistant","content":null,"tool_calls":[)"
            R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},)"
            R"({"type":"function","function":{"name":"g"}}],"reasoning_content":"Hm."},)"
            R"({"role":"tool","content":"5","tool_call_id":"c1"}])");
}

TEST(CallIds, OnlyWhatWasCalledIsAnswered) {
  CallIds ids;
  EXPECT_TRUE(ids.may_be_answered("x")) << "no call has an id";
  ids.add("");
  EXPECT_TRUE(ids.may_be_answered("x"));
  ids.add("a");
  EXPECT_TRUE(ids.may_be_answered("a"));
  EXPECT_FALSE(ids.may_be_answered("x"));
}

}  // namespace
}  // namespace ember
