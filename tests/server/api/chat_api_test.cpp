// SPDX-License-Identifier: Apache-2.0
#include "api/chat_api.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(ChatApi, ErrorsAreRenamed) {
  const auto check = [](const ChatApi& api, const Error& error, const std::string& param,
                        const std::string& message) {
    const Error own = renamed(api, error);
    EXPECT_EQ(own.param, param);
    EXPECT_EQ(own.message, message);
  };
  check(kMessagesApi, invalid("stop", "stop must hold at most 4 strings."), "stop_sequences",
        "stop_sequences must hold at most 4 strings.");
  check(kMessagesApi, invalid("stop_token_ids", "stop_token_ids must be."), "stop_token_ids",
        "stop_token_ids must be.");
  check(kMessagesApi, invalid("top_p", "top_p and stop."), "top_p", "top_p and stop.");
  check(kResponsesApi, invalid("messages[3].content", "messages[3].content is missing."),
        "input[3].content", "input[3].content is missing.");
  check(kResponsesApi,
        invalid("max_completion_tokens", "5 prompt tokens and max_completion_tokens 9 exceed."),
        "max_output_tokens", "5 prompt tokens and max_output_tokens 9 exceed.");
  check(kResponsesApi, invalid("", "messages are fine."), "", "messages are fine.");
}

TEST(ChatApi, AnEventHasTheNameOfItsType) {
  EXPECT_EQ(typed_event({{"type", "ping"}}), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

TEST(ChatApi, AnthropicsToolChoice) {
  const auto choice = [](const Json& given) {
    const Result<Json> chat = kMessagesApi.to_chat(
        {{"max_tokens", 1},
         {"messages", Json::array({{{"role", "user"}, {"content", "x"}}})},
         {"tools", Json::array({{{"name", "f"}, {"input_schema", Json::object()}}})},
         {"tool_choice", given}});
    return chat.ok() ? chat.value() : Json();
  };
  EXPECT_EQ(choice({{"type", "auto"}})["tool_choice"], "auto");
  EXPECT_EQ(choice({{"type", "any"}})["tool_choice"], "required");
  EXPECT_EQ(choice({{"type", "none"}})["tool_choice"], "none");
  EXPECT_EQ(choice({{"type", "tool"}, {"name", "f"}})["tool_choice"],
            (Json{{"type", "function"}, {"function", {{"name", "f"}}}}));
  EXPECT_EQ(choice({{"type", "auto"}, {"disable_parallel_tool_use", true}})["parallel_tool_calls"],
            false);
  EXPECT_EQ(
      choice({{"type", "auto"}})["tools"][0],
      (Json{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", Json::object()}}}}));
}

TEST(ChatApi, AskedForFormats) {
  const Json schema = {{"type", "object"}};
  const Json messages = Json::array({{{"role", "user"}, {"content", "x"}}});
  const Result<Json> ours = kResponsesApi.to_chat(
      {{"input", "x"},
       {"text",
        {{"format",
          {{"type", "json_schema"}, {"name", "n"}, {"schema", schema}, {"strict", true}}}}}});
  EXPECT_EQ(ours.value()["response_format"],
            (Json{{"type", "json_schema"},
                  {"json_schema", {{"name", "n"}, {"schema", schema}, {"strict", true}}}}));
  const Result<Json> theirs = kMessagesApi.to_chat(
      {{"max_tokens", 1},
       {"messages", messages},
       {"output_config", {{"format", {{"type", "json_schema"}, {"schema", schema}}}}}});
  EXPECT_EQ(theirs.value()["response_format"]["json_schema"]["schema"], schema);
  EXPECT_FALSE(
      kMessagesApi
          .to_chat(
              {{"max_tokens", 1}, {"messages", messages}, {"output_format", {{"type", "xml"}}}})
          .ok());
}

}  // namespace
}  // namespace ember
