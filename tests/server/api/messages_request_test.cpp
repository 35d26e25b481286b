// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "server/api/requests.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::Pair;

Result<ChatRequest> parse(const Json& more, bool counting = false) {
  const Json body = {{"max_tokens", 9}, {"messages", user_message("Hi.")}};
  return parse_messages_request(with(body, more), some_model(), {}, counting);
}

std::string fault_of(const Json& more) { return fault(parse(more)); }

Json messages_of(const Json& messages, const Json& more = Json::object()) {
  const Result<ChatRequest> request = parse(with({{"messages", messages}}, more));
  EXPECT_TRUE(request.ok()) << fault(request);
  return request.ok() ? template_messages(request.value().messages) : Json();
}

Json block(const char* type, Json more = Json::object()) { return with({{"type", type}}, more); }

TEST(MessagesRequest, MessagesAsTheTemplateReadsThem) {
  const Json text = block("text", {{"text", "See."}});
  const Json messages = Json::array(
      {{{"role", "user"}, {"content", Json::array({text, text})}},
       {{"role", "assistant"},
        {"content",
         Json::array({block("thinking", {{"thinking", "Hm."}}), block("redacted_thinking"), text,
                      block("tool_use", {{"id", "c"}, {"name", "f"}, {"input", {{"a", 1}}}})})}},
       {{"role", "user"},
        {"content",
         Json::array({text, block("tool_result",
                                  {{"tool_use_id", "c"}, {"content", Json::array({text})}})})}}});
  EXPECT_EQ(
      messages_of(messages, {{"system", Json::array({text})}}).dump(),
      R"([{"role":"system","content":"See."},)"
      R"({"role":"user","content":[{"type":"text","text":"See."},{"type":"text","text":"See."}]},)"
      R"({"role":"assistant","content":"See.","tool_calls":[{"id":"c","type":"function",)"
      R"("function":{"name":"f","arguments":"{\"a\":1}"}}],"reasoning_content":"Hm."},)"
      R"({"role":"tool","content":"See.","tool_call_id":"c"},)"
      R"({"role":"user","content":"See."}])");
}

TEST(MessagesRequest, AMessageMayHoldNoText) {
  const Json call = block("tool_use", {{"id", "c"}, {"name", "f"}, {"input", Json::object()}});
  const Json list = messages_of(Json::array(
      {{{"role", "assistant"}, {"content", Json::array({call})}},
       {{"role", "user"}, {"content", Json::array({block("tool_result", {{"tool_use_id", "c"}})})}},
       {{"role", "assistant"},
        {"content", Json::array({block("thinking", {{"thinking", "a"}})})}}}));
  ASSERT_EQ(list.size(), 3u);
  EXPECT_TRUE(list[0]["content"].is_null());
  EXPECT_EQ(list[1]["content"], "");
  EXPECT_EQ(list[2]["content"], "");
  EXPECT_EQ(fault_of({{"messages",
                       Json::array({{{"role", "assistant"},
                                     {"content", Json::array({block("redacted_thinking")})}}})}}),
            "messages: messages must hold 1 to 2048 messages.");
}

TEST(MessagesRequest, FaultsNameItsOwnFields) {
  EXPECT_EQ(fault_of({{"max_tokens", nullptr}}), "max_tokens: max_tokens is missing.");
  EXPECT_EQ(fault(parse({{"max_tokens", nullptr}}, true)), "") << "counting needs none";
  EXPECT_EQ(fault_of({{"stop_sequences", "x"}}),
            "stop_sequences: stop_sequences must be a list of strings, not a string.");
  EXPECT_EQ(fault_of({{"stop_sequences", Json(65, "x")}}),
            "stop_sequences: stop_sequences must hold at most 64 strings.");
  EXPECT_EQ(fault_of({{"metadata", {{"user_id", 5}}}}),
            "metadata.user_id: metadata.user_id must be a string, not a number.");
  EXPECT_EQ(fault_of({{"thinking", {{"type", "deep"}}}}),
            "thinking: thinking must be an object of the type enabled, adaptive or disabled.");
  EXPECT_EQ(fault_of({{"thinking", {{"type", "enabled"}, {"budget_tokens", "9"}}}}),
            "thinking.budget_tokens: thinking.budget_tokens must be an integer from 0 to "
            "2147483647, not a string.");
  EXPECT_EQ(fault_of({{"output_config", {{"effort", 5}}}}),
            "output_config.effort: output_config.effort must be a string, not a number.");
  EXPECT_EQ(fault_of({{"output_config", {{"format", {{"type", "json_schema"}, {"schema", 5}}}}}}),
            "output_config.format.schema: output_config.format.schema must be a JSON schema, not a "
            "number.");
  EXPECT_EQ(fault_of({{"output_format", {{"type", "xml"}}}}),
            "output_format: output_format must be an object of the type json_schema with a "
            "schema.");
}

TEST(MessagesRequest, FaultsOfMessagesNameThePlace) {
  const auto in_user = [](const Json& content) {
    return fault_of({{"messages", Json::array({{{"role", "user"}, {"content", content}}})}});
  };
  EXPECT_EQ(fault_of({{"messages", 5}}), "messages: messages must be a list of objects.");
  EXPECT_EQ(fault_of({{"messages", Json::array({{{"role", "tool"}}})}}),
            "messages[0].role: messages[0].role must be user, assistant or system.");
  EXPECT_EQ(in_user(5),
            "messages[0].content: messages[0].content must be a string or a list of blocks, not a "
            "number.");
  EXPECT_EQ(in_user(Json::array({block("image")})),
            "messages[0].content[0]: messages[0].content[0] must be of the type text or "
            "tool_result: nothing else is supported.");
  EXPECT_EQ(in_user(Json::array({block("tool_result", {{"tool_use_id", "c"}, {"content", 5}})})),
            "messages[0].content[0].content: messages[0].content[0].content must be a string or a "
            "list of blocks, not a number.");
  const Json call = block("tool_use", {{"id", "c"}, {"name", "f"}, {"input", Json::object()}});
  EXPECT_EQ(
      fault_of({{"messages",
                 Json::array({{{"role", "assistant"}, {"content", Json::array({call})}},
                              {{"role", "user"},
                               {"content",
                                Json::array({block("tool_result", {{"tool_use_id", "x"}})})}}})}}),
      "messages[1].content[0].tool_use_id: messages[1].content[0].tool_use_id is of no call in the "
      "messages before.");
}

TEST(MessagesRequest, ToolsAndChoices) {
  const auto choose = [](const Json& choice) {
    return parse({{"tools", Json::array({{{"name", "f"}, {"input_schema", {{"x", 1}}}}})},
                  {"tool_choice", choice}});
  };
  const ToolParams any = choose({{"type", "any"}}).value().tools;
  EXPECT_TRUE(any.required && any.parallel);
  EXPECT_EQ(any.callable.at(0).name, "f");
  EXPECT_EQ(any.shown, Json::array({{{"type", "function"},
                                     {"function", {{"name", "f"}, {"parameters", {{"x", 1}}}}}}}));
  EXPECT_TRUE(choose({{"type", "none"}}).value().tools.callable.empty());
  EXPECT_FALSE(choose({{"type", "auto"}}).value().tools.required);
  EXPECT_TRUE(choose({{"type", "tool"}, {"name", "f"}}).value().tools.required);
  EXPECT_FALSE(
      choose({{"type", "auto"}, {"disable_parallel_tool_use", true}}).value().tools.parallel);
  EXPECT_EQ(fault(choose("any")),
            "tool_choice: tool_choice must be an object of the type auto, any, none or tool (with "
            "a name).");
  EXPECT_EQ(fault_of({{"tool_choice", {{"type", "any"}}}}),
            "tool_choice: tool_choice is only possible with tools.");
  EXPECT_EQ(fault_of({{"tools", Json::array({{{"name", "f"}}})}}),
            "tools[0].input_schema: tools[0].input_schema must be an object.");
  EXPECT_EQ(
      fault_of({{"tools", Json::array({{{"type", "bash"}}})}}),
      "tools[0].type: tools[0].type must be custom, or the type of a tool of Anthropic's own.");
}

// What Claude Code sends besides.
TEST(MessagesRequest, HintsAndToolsOfOthersAreListed) {
  const ChatRequest request =
      parse({{"context_management", {{"edits", Json::array({1})}}},
             {"mcp_servers", Json::array()},
             {"service_tier", "auto"},
             {"output_config", {{"effort", "high"}}},
             {"thinking", {{"type", "enabled"}, {"budget_tokens", 4000}}},
             {"tools", Json::array({{{"type", "web_search_20250305"}, {"name", "web_search"}},
                                    {{"name", "f"}, {"input_schema", Json::object()}}})},
             {"unheard_of", 1}})
          .value();
  EXPECT_THAT(request.params.ignored,
              ElementsAre("service_tier", "context_management", "tools[0]:web_search_20250305",
                          "thinking.budget_tokens"));
  EXPECT_EQ(request.params.num_unknown_fields, 1);
  EXPECT_EQ(request.tools.callable.size(), 1u);
  EXPECT_EQ(request.kwargs["reasoning_effort"], "high");
  EXPECT_EQ(request.kwargs["enable_thinking"], true);
  EXPECT_THAT(request.hints, ElementsAre(Pair("reasoning_effort", "output_config.effort"),
                                         Pair("thinking", "thinking")));
}

TEST(MessagesRequest, TheAssistantsLastWordsAreContinued) {
  const auto ending_with = [](const Json& content) {
    return parse({{"messages", Json::array({{{"role", "user"}, {"content", "Hi."}},
                                            {{"role", "assistant"}, {"content", content}}})}})
        .value();
  };
  const Json call = block("tool_use", {{"id", "c"}, {"name", "f"}, {"input", Json::object()}});
  const Json text = block("text", {{"text", "Once"}});
  EXPECT_TRUE(ending_with("Once").continue_final_message);
  EXPECT_TRUE(ending_with(Json::array({text, text})).continue_final_message);
  EXPECT_EQ(ending_with("Once").continue_field, "messages");
  EXPECT_FALSE(ending_with(" \n").continue_final_message) << "there is nothing to go on with";
  EXPECT_FALSE(ending_with(Json::array({text, call})).continue_final_message);
  EXPECT_FALSE(parse(Json::object()).value().continue_final_message);
}

TEST(MessagesRequest, TheSystemMaySpeakBetweenTurns) {
  const Json list = messages_of(
      Json::array({{{"role", "user"}, {"content", "Hi."}},
                   {{"role", "system"}, {"content", Json::array({block("text", {{"text", "x"}})})}},
                   {{"role", "user"}, {"content", "So?"}}}));
  EXPECT_EQ(list[1], (Json{{"role", "system"}, {"content", "x"}}));
}

TEST(MessagesRequest, WhatElseItAsksFor) {
  const Json schema = {{"type", "object"}};
  const ChatRequest request =
      parse({{"stop_sequences", {"END"}},
             {"temperature", 0.5},
             {"thinking", {{"type", "disabled"}}},
             {"chat_template_kwargs", {{"a", 1}}},
             {"output_config", {{"format", {{"type", "json_schema"}, {"schema", schema}}}}}})
          .value();
  EXPECT_THAT(request.params.stop, ElementsAre("END"));
  EXPECT_EQ(request.params.max_tokens, 9);
  EXPECT_EQ(request.params.sampling.temperature, 0.5f);
  EXPECT_EQ(request.kwargs, (Json{{"a", 1}, {"thinking", false}, {"enable_thinking", false}}));
  EXPECT_EQ(request.params.format->field, "output_config.format");
  EXPECT_EQ(request.params.format->source.text, schema.dump());
  EXPECT_EQ(parse({{"output_format", {{"type", "json_schema"}, {"schema", schema}}}})
                .value()
                .params.format->source.text,
            schema.dump());
}

}  // namespace
}  // namespace ember
