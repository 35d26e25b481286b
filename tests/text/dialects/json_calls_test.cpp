// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "text/tool_calls.h"

namespace ember {
namespace {

using test::call;
using test::options;
using test::parse;
using test::Parsed;
using test::without_ids;

TEST(JsonCalls, OrderOfKeysAndDoubleEncoding) {
  const auto is = [](const std::string& text) {
    return without_ids(parse(text, options("hermes")));
  };
  EXPECT_EQ(is(R"(<tool_call>{"arguments": {"b": 1, "a": 2}, "name": "f"}</tool_call>)"),
            call("f", R"({"b":1,"a":2})"));
  EXPECT_EQ(is(R"(<tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>)"),
            call("f", R"({"a":1})"));
}

TEST(JsonCalls, ConstrainedArgumentsGoOutAsTheyCome) {
  ToolParser parser(options("llama3_json", true));
  EXPECT_TRUE(parser.push(R"({"name": "f", "param)").calls.empty());
  auto out = parser.push(R"(eters": {"a)");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].name, "f");
  EXPECT_EQ(out.calls[0].arguments, R"({"a)");
  out = parser.push("\": \"}");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].name, "");
  EXPECT_EQ(out.calls[0].arguments, "\": \"}");
  out = parser.push("\"}}");
  EXPECT_EQ(out.calls.at(0).arguments, "\"}");
  out = parser.finish();
  EXPECT_TRUE(out.content.empty() && out.calls.empty());
}

TEST(JsonCalls, CutOffWhenConstrained) {
  const Parsed parsed =
      parse(R"({"name": "f", "parameters": {"a": [1, )", options("llama3_json", true));
  EXPECT_EQ(without_ids(parsed), call("f", R"({"a": [1, )"));
}

}  // namespace
}  // namespace ember
