// SPDX-License-Identifier: Apache-2.0
#include "api/chat_request.h"

#include <gtest/gtest.h>

#include "api/chat_api.h"

namespace ember {
namespace {

TEST(ChatRequest, FieldsThatBothApisHave) {
  const Json messages = Json::array({{{"role", "user"}, {"content", "x"}}});
  Json same = {{"model", "m"},    {"temperature", 0.5},       {"bad_words", {"fox"}},
               {"min_tokens", 3}, {"logit_bias", {{"5", 1}}}, {"stop_token_ids", {7}}};
  for (const auto& [api, input] :
       {std::pair(&kMessagesApi, "messages"), std::pair(&kResponsesApi, "input")}) {
    Json body = same;
    body["max_tokens"] = 1;
    body[input] = messages;
    const Result<Json> chat = api->to_chat(body);
    ASSERT_TRUE(chat.ok());
    for (const auto& [name, value] : same.items())
      EXPECT_EQ(chat.value().value(name, Json()), value) << name;
    EXPECT_FALSE(chat.value().contains("stream_options"));
    body["stream"] = true;
    EXPECT_EQ(api->to_chat(body).value()["stream_options"]["continuous_usage_stats"], true);
  }
}

TEST(ChatRequest, ToolsUpToTheFirstWrongOne) {
  const Json body = {{"tools", {{{"name", "a"}}, 5, {{"name", "c"}}}}};
  const auto function_of = [](FieldReader& fields, const Json& tool, const std::string& path) {
    if (!tool.is_object()) fields.fail(path, "is wrong.");
    return tool;
  };
  FieldReader fields(body);
  Json chat = Json::object();
  copy_tools(fields, chat, function_of);
  EXPECT_EQ(fields.error().param, "tools[1]");
  EXPECT_EQ(chat["tools"][0], (Json{{"type", "function"}, {"function", {{"name", "a"}}}}));
  EXPECT_EQ(chat["tools"].size(), 2);
}

TEST(ChatRequest, TypesOfParts) {
  EXPECT_EQ(type_of({{"type", "text"}}), "text");
  for (const Json& none : {Json(5), Json::object(), Json{{"type", 5}}})
    EXPECT_EQ(type_of(none), "");
  EXPECT_EQ(wrong("a[0]", "is wrong.").message, "a[0] is wrong.");
}

}  // namespace
}  // namespace ember
