// SPDX-License-Identifier: Apache-2.0
#include "api/chat_calls.h"

#include <gtest/gtest.h>

#include "server/api/requests.h"

namespace ember {
namespace {

Json call(const Json& arguments) {
  return {
      {"id", "c"}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", arguments}}}};
}

std::string fault_of(const Json& calls) {
  Message message;
  return fault(read_calls(calls, "calls", message));
}

TEST(ChatCalls, AreAppendedToTheMessage) {
  Message message;
  Json bare = call("");
  bare.erase("id");
  bare.erase("type");
  bare["function"].erase("arguments");
  ASSERT_TRUE(read_calls(Json::array({call("{}"), call({{"a", 1}}), bare}), "calls", message).ok());
  ASSERT_EQ(message.calls.size(), 3u);
  EXPECT_EQ(message.calls[0].id, "c");
  EXPECT_EQ(message.calls[0].name, "f");
  EXPECT_EQ(message.calls[0].arguments, Json("{}"));
  EXPECT_EQ(message.calls[1].arguments, (Json{{"a", 1}}));
  EXPECT_EQ(message.calls[2].id, "");
  EXPECT_TRUE(message.calls[2].arguments.is_null());
}

TEST(ChatCalls, FaultsNameTheCall) {
  EXPECT_EQ(fault_of(5), "calls: calls must be a list, not a number.");
  EXPECT_EQ(fault_of(Json(129, call("{}"))), "calls: calls must hold at most 128 calls.");
  for (const Json& json : {Json(5), Json::object(), Json{{"function", 5}}})
    EXPECT_EQ(fault_of(Json::array({json})),
              "calls[0]: calls[0] must hold an object \"function\".");
  Json odd = call("{}");
  odd["type"] = "custom";
  EXPECT_EQ(fault_of(Json::array({odd})), "calls[0].type: calls[0].type must be function.");
  odd["type"] = 5;
  EXPECT_EQ(fault_of(Json::array({call("{}"), odd})),
            "calls[1].type: calls[1].type must be a string, not a number.");
  odd = call("{}");
  odd["id"] = Json::array();
  EXPECT_EQ(fault_of(Json::array({odd})), "calls[0].id: calls[0].id must be a string, not a list.");
  odd = call("{}");
  odd["function"]["name"] = 5;
  EXPECT_EQ(fault_of(Json::array({odd})),
            "calls[0].function.name: calls[0].function.name must be a string.");
  for (const Json& arguments : {Json("x"), Json("[]"), Json(5)})
    EXPECT_EQ(fault_of(Json::array({call(arguments)})),
              "calls[0].function.arguments: calls[0].function.arguments must be the JSON text of "
              "an object.");
}

TEST(ChatCalls, NoTextIsNoArguments) {
  EXPECT_TRUE(is_object_text(""));
  EXPECT_TRUE(is_object_text("{\"a\": 1}"));
  EXPECT_FALSE(is_object_text("[1]"));
  EXPECT_FALSE(is_object_text(" x"));
}

}  // namespace
}  // namespace ember
