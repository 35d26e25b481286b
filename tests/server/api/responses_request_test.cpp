// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "server/api/requests.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::Pair;

Result<ChatRequest> parse(const Json& more) {
  return parse_responses_request(with({{"input", "Hi."}}, more), some_model(), {});
}

std::string fault_of(const Json& more) { return fault(parse(more)); }
std::string fault_of_item(const Json& item) { return fault_of({{"input", Json::array({item})}}); }

Json messages_of(const Json& more) {
  const Result<ChatRequest> request = parse(more);
  EXPECT_TRUE(request.ok()) << fault(request);
  return request.ok() ? template_messages(request.value().messages) : Json();
}

Json call(const char* id, const char* arguments = "{}") {
  return {{"type", "function_call"}, {"call_id", id}, {"name", "f"}, {"arguments", arguments}};
}

Json output(const char* id) {
  return {{"type", "function_call_output"}, {"call_id", id}, {"output", "5"}};
}

TEST(ResponsesRequest, InputAsTheTemplateReadsIt) {
  EXPECT_EQ(messages_of({{"instructions", "Be brief."}}).dump(),
            R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hi."}])");
  const Json part = {{"type", "input_text"}, {"text", "a"}};
  const Json items =
      Json::array({{{"role", "developer"}, {"content", Json::array({part})}},
                   {{"type", "message"}, {"role", "user"}, {"content", Json::array({part, part})}},
                   {{"type", "reasoning"}},
                   call("c1"),
                   call("c2"),
                   output("c1")});
  EXPECT_EQ(messages_of({{"input", items}}).dump(),
            R"([{"role":"developer","content":"a"},)"
            R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"a"}]},)"
            R"({"role":"assistant","content":null,"tool_calls":[)"
            R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},)"
            R"({"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
            R"({"role":"tool","content":"5","tool_call_id":"c1"}])");
}

TEST(ResponsesRequest, FaultsOfItemsNameThePlace) {
  EXPECT_EQ(fault_of({{"input", nullptr}}), "input: input must be a string or a list of items.");
  EXPECT_EQ(fault_of({{"input", Json::array()}}), "input: input must hold 1 to 2048 items.");
  EXPECT_EQ(fault_of_item({{"type", "reasoning"}}), "input: input holds no message.");
  EXPECT_EQ(fault_of_item(5), "input[0]: input[0] must be an object, not a number.");
  EXPECT_EQ(fault_of_item({{"role", "king"}}),
            "input[0].role: input[0].role must be user, assistant, system or developer.");
  EXPECT_EQ(fault_of_item({{"role", "user"}}), "input[0].content: input[0].content is missing.");
  EXPECT_EQ(
      fault_of_item({{"role", "user"}, {"content", Json::array({{{"type", "input_image"}}})}}),
      "input[0].content[0]: input[0].content[0] must be of the type input_text or "
      "output_text: nothing else is supported.");
  EXPECT_EQ(fault_of_item({{"type", "function_call"}}),
            "input[0].call_id: input[0].call_id must be a string.");
  EXPECT_EQ(fault_of_item(call("c", "[]")),
            "input[0].arguments: input[0].arguments must be the JSON text of an object.");
  EXPECT_EQ(fault_of({{"input", Json::array({call("c"), output("x")})}}),
            "input[1].call_id: input[1].call_id is of no call in the input before.");
}

TEST(ResponsesRequest, FaultsNameItsOwnFields) {
  EXPECT_EQ(parse(Json::object()).value().messages_field, "input");
  EXPECT_EQ(fault_of({{"max_output_tokens", 0}}),
            "max_output_tokens: max_output_tokens must be an integer from 1 to 2147483647.");
  EXPECT_EQ(fault_of({{"store", true}}),
            "store: store is not supported: nothing is kept. Send false, or leave it out.");
  EXPECT_EQ(fault_of({{"conversation", "x"}}), "conversation: conversation is not supported.");
  EXPECT_EQ(fault_of({{"truncation", "some"}}), "truncation: truncation must be auto or disabled.");
  EXPECT_EQ(fault_of({{"reasoning", "high"}}),
            "reasoning: reasoning must be an object, not a string.");
  EXPECT_EQ(fault_of({{"reasoning", {{"effort", 3}}}}),
            "reasoning.effort: reasoning.effort must be a string, not a number.");
  EXPECT_EQ(fault_of({{"text", {{"format", {{"type", "yaml"}}}}}}),
            "text.format: text.format must be an object whose type is text, json_object or "
            "json_schema.");
  EXPECT_EQ(fault_of({{"text", {{"format", {{"type", "json_schema"}, {"name", "n"}}}}}}),
            "text.format.schema: text.format.schema is missing.");
  EXPECT_EQ(fault_of({{"text", {{"verbosity", 1}}}}),
            "text.verbosity: text.verbosity must be a string, not a number.");
  EXPECT_EQ(fault_of({{"metadata", {{"a", 5}}}}),
            "metadata: metadata must map keys of at most 64 bytes to strings of at most 512.");
}

TEST(ResponsesRequest, ToolsAndChoices) {
  const auto choose = [](const Json& choice) {
    return parse({{"tools", Json::array({{{"type", "function"},
                                          {"name", "f"},
                                          {"parameters", {{"x", 1}}},
                                          {"strict", nullptr}}})},
                  {"tool_choice", choice}});
  };
  const ToolParams tools = choose("required").value().tools;
  EXPECT_TRUE(tools.required);
  EXPECT_EQ(tools.shown,
            Json::array({{{"type", "function"},
                          {"function", {{"name", "f"}, {"parameters", {{"x", 1}}}}}}}));
  EXPECT_TRUE(choose("none").value().tools.callable.empty());
  EXPECT_TRUE(choose({{"type", "function"}, {"name", "f"}}).value().tools.required);
  EXPECT_EQ(fault(choose({{"type", "x"}})),
            "tool_choice: tool_choice must be none, auto, required or an object of the type "
            "function with a name.");
  EXPECT_EQ(fault_of({{"tool_choice", "always"}}),
            "tool_choice: tool_choice is only possible with tools.");
  EXPECT_EQ(fault_of({{"tools", Json::array({{{"name", "f"}}})}}),
            "tools[0]: tools[0] must be an object with a type.");
}

// What Codex CLI sends besides.
TEST(ResponsesRequest, HintsAndToolsOfOthersAreListed) {
  const ChatRequest request =
      parse({{"reasoning", {{"effort", "medium"}, {"summary", "auto"}}},
             {"include", {"reasoning.encrypted_content"}},
             {"prompt_cache_key", "k"},
             {"truncation", "auto"},
             {"store", false},
             {"text", {{"verbosity", "low"}}},
             {"tools", Json::array({{{"type", "web_search"}},
                                    {{"type", "function"}, {"name", "f"}},
                                    {{"type", "custom"}, {"name", "apply_patch"}},
                                    {{"type", "no\r\nheader"}}})}})
          .value();
  EXPECT_THAT(request.params.ignored,
              ElementsAre("include", "prompt_cache_key", "truncation", "tools[0]:web_search",
                          "tools[2]:custom", "tools[3]", "text.verbosity", "reasoning.summary"));
  EXPECT_EQ(request.params.num_unknown_fields, 0);
  EXPECT_EQ(request.tools.callable.at(0).name, "f");
  EXPECT_EQ(request.tools.shown.size(), 1u);
  EXPECT_THAT(request.hints, ElementsAre(Pair("reasoning_effort", "reasoning.effort")));
  EXPECT_EQ(request.kwargs["reasoning_effort"], "medium");
}

TEST(ResponsesRequest, WhatElseItAsksFor) {
  const Json schema = {{"type", "object"}};
  const ChatRequest request =
      parse({{"max_output_tokens", 7},
             {"stop", "END"},
             {"text", {{"format", {{"type", "json_schema"}, {"name", "n"}, {"schema", schema}}}}}})
          .value();
  EXPECT_EQ(request.params.max_tokens, 7);
  EXPECT_EQ(request.params.max_tokens_field, "max_output_tokens");
  EXPECT_THAT(request.params.stop, ElementsAre("END"));
  EXPECT_EQ(request.params.format->field, "text.format");
  EXPECT_EQ(request.params.format->source.text, schema.dump());
  EXPECT_FALSE(parse({{"text", {{"format", {{"type", "text"}}}}}}).value().params.format);
  EXPECT_TRUE(parse({{"text", {{"format", {{"type", "json_object"}}}}}}).value().params.format);
}

}  // namespace
}  // namespace ember
