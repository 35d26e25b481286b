// SPDX-License-Identifier: Apache-2.0
#include "api/tools.h"

#include <gmock/gmock.h>

#include "server/api/requests.h"

namespace ember {
namespace {

using testing::ElementsAre;

Json tool(const std::string& name) {
  return {{"type", "function"}, {"function", {{"name", name}, {"parameters", {{"x", 1}}}}}};
}

struct Read {
  ToolParams tools;
  std::vector<std::string> names;
  std::string fault;
};

Read read(const Json& body) {
  FieldReader fields(body);
  Read read;
  read.tools = read_tools(fields);
  for (const ToolFunction& function : read.tools.callable) read.names.push_back(function.name);
  if (!fields.ok()) read.fault = fields.error().param + ": " + fields.error().message;
  return read;
}

Read choose(const Json& choice) {
  return read({{"tools", {tool("f"), tool("g")}}, {"tool_choice", choice}});
}

TEST(Tools, ChoicesLeaveWhatMayBeCalled) {
  EXPECT_THAT(choose("auto").names, ElementsAre("f", "g"));
  EXPECT_FALSE(choose("auto").tools.required);
  EXPECT_TRUE(choose("none").names.empty());
  EXPECT_EQ(choose("none").tools.shown.size(), 2u) << "the template is given all of them";
  EXPECT_THAT(choose("required").names, ElementsAre("f", "g"));
  EXPECT_TRUE(choose("required").tools.required);
  const Read one = choose({{"type", "function"}, {"function", {{"name", "g"}}}});
  EXPECT_THAT(one.names, ElementsAre("g"));
  EXPECT_TRUE(one.tools.required);
  EXPECT_EQ(one.tools.callable[0].parameters, (Json{{"x", 1}}));
  const Read allowed =
      choose({{"type", "allowed_tools"},
              {"allowed_tools", {{"mode", "auto"}, {"tools", Json::array({tool("f")})}}}});
  EXPECT_THAT(allowed.names, ElementsAre("f"));
  EXPECT_FALSE(allowed.tools.required);
}

TEST(Tools, NoneIsNoTools) {
  for (const Json& body : {Json::object(), Json{{"tools", Json::array()}},
                           Json{{"tool_choice", "auto"}}, Json{{"tool_choice", "none"}}}) {
    EXPECT_TRUE(read(body).tools.shown.is_null());
    EXPECT_EQ(read(body).fault, "");
  }
  EXPECT_FALSE(read({{"parallel_tool_calls", false}}).tools.parallel);
}

TEST(Tools, FaultsNameTheTool) {
  const auto fault_of = [](const Json& second) {
    return read({{"tools", Json::array({tool("f"), second})}}).fault;
  };
  EXPECT_EQ(fault_of({{"type", "x"}}),
            "tools[1]: tools[1] must be an object of the type function.");
  EXPECT_EQ(fault_of({{"type", "function"}}),
            "tools[1]: tools[1] must hold an object \"function\".");
  EXPECT_EQ(fault_of(tool("a b")),
            "tools[1]: tools[1] must have a name of 1 to 64 letters, digits, _ or -.");
  EXPECT_EQ(fault_of(tool("f")), "tools[1]: tools[1] has the name of another tool.");
  Json wrong = tool("g");
  wrong["function"]["parameters"] = 5;
  EXPECT_EQ(fault_of(wrong), "tools[1]: tools[1] must have an object as its parameters.");
  wrong = tool("g");
  wrong["function"]["description"] = 5;
  EXPECT_EQ(fault_of(wrong), "tools[1]: tools[1] must have a string as its description.");
  EXPECT_EQ(read({{"tools", 5}}).fault, "tools: tools must be a list, not a number.");
  EXPECT_EQ(read({{"tools", Json(129, tool("f"))}}).fault,
            "tools: tools must hold at most 128 tools.");
}

TEST(Tools, ChoicesThatCannotBe) {
  const std::string no_tools = "tool_choice: tool_choice is only possible with tools.";
  EXPECT_EQ(read({{"tool_choice", "required"}}).fault, no_tools);
  EXPECT_EQ(read({{"tool_choice", 5}}).fault, no_tools);
  EXPECT_EQ(read({{"tool_choice", {{"type", "function"}, {"function", {{"name", "g"}}}}}}).fault,
            no_tools);
  const std::string expected =
      "tool_choice: tool_choice must be none, auto, required, or an object that names a function.";
  EXPECT_EQ(choose("always").fault, expected);
  EXPECT_EQ(choose(5).fault, expected);
  EXPECT_EQ(choose({{"type", "function"}}).fault, expected);
  EXPECT_EQ(choose({{"type", "function"}, {"function", {{"name", "h"}}}}).fault,
            "tool_choice: tool_choice names a function that is not among the tools: h.");
  EXPECT_NE(choose({{"type", "allowed_tools"}}).fault, "");
  EXPECT_NE(choose({{"type", "allowed_tools"},
                    {"allowed_tools", {{"mode", "auto"}, {"tools", Json::array({5})}}}})
                .fault,
            "");
}

TEST(Tools, OtherApisGiveTheirOwnForm) {
  const Json body = {{"tools", {{{"call", "a"}}, 5, {{"call", "c"}}}}};
  FieldReader fields(body);
  ToolParams tools;
  read_tool_list(fields, tools, [](FieldReader& reader, const Json& own, const std::string& path) {
    if (!own.is_object()) reader.fail(path, "is wrong.");
    return own.is_object() ? Json{{"function", {{"name", own["call"]}}}} : Json();
  });
  EXPECT_EQ(fields.error().param, "tools[1]");
  EXPECT_EQ(tools.callable.size(), 1u) << "up to the first that is wrong";
}

}  // namespace
}  // namespace ember
