// SPDX-License-Identifier: Apache-2.0
#include "template_traits.h"

#include <gtest/gtest.h>

#include "ember/text/chat_template.h"
#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;

constexpr const char* kStrings =
    "{% for m in messages %}{{ m.role + ': ' + m.content }};{% endfor %}";
constexpr const char* kLists =
    "{% for m in messages %}{{ m.role }}:{% for part in m.content %}{{ ' ' + part.text }}{% endfor "
    "%};{% endfor %}";
constexpr const char* kBoth =
    "{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% "
    "for part in m.content %}{{ '<' + part.text + '>' }}{% endfor %}"
    "{% endif %};{% endfor %}";
constexpr const char* kCallObjects =
    "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name "
    "}}{{ c.function.arguments | tojson }}{% endfor %};{% endfor %}";
// Printed: an object would come out as Python writes it.
constexpr const char* kCallPrinted =
    "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name ~ "
    "c.function.arguments }}{% endfor %};{% endfor %}";
constexpr const char* kCallText =
    "{% for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}{{ "
    "c.function.name + c.function.arguments }}{% endfor %};{% endfor %}";

std::string render(const char* source, const Json& messages) {
  const auto compiled = ChatTemplate::compile(source, "", test::demo());
  EXPECT_TRUE(compiled.ok());
  ChatInput input;
  input.messages = messages;
  const auto prompt = compiled.value()->render(input);
  return prompt.ok() ? prompt.value().text : "error: " + prompt.error().message;
}

Json user(const Json& content) { return Json::array({{{"role", "user"}, {"content", content}}}); }
Json parts(const std::string& a, const std::string& b) {
  return Json::array({{{"type", "text"}, {"text", a}}, {{"type", "text"}, {"text", b}}});
}
Json call(const Json& arguments) {
  Json message = {{"role", "assistant"}, {"content", nullptr}};
  message["tool_calls"] = Json::array({{{"id", "a"},
                                        {"type", "function"},
                                        {"function", {{"name", "f"}, {"arguments", arguments}}}}});
  return Json::array({message});
}

TEST(TemplateTraits, ContentsInTheFormThatTheTemplateReads) {
  EXPECT_EQ(render(kStrings, user("x")), "user: x;");
  EXPECT_EQ(render(kStrings, user(parts("a", "b"))), "user: a\nb;");
  EXPECT_EQ(render(kLists, user("x")), "user: x;");
  EXPECT_EQ(render(kLists, user(parts("a", "b"))), "user: a b;");
  EXPECT_EQ(render(kBoth, user("x")), "user:x;");
  EXPECT_EQ(render(kBoth, user(parts("a", "b"))), "user:<a><b>;");
}

TEST(TemplateTraits, ArgumentsInTheFormThatTheTemplateWrites) {
  for (const Json& arguments : {Json(R"({"a": 1})"), Json{{"a", 1}}})
    EXPECT_EQ(render(kCallObjects, call(arguments)), "f{\"a\": 1};");
  EXPECT_EQ(render(kCallText, call(R"({"a": 1})")), "f{\"a\": 1};");
  EXPECT_EQ(render(kCallText, call(Json{{"a", 1}})), "f{\"a\":1};");
  EXPECT_EQ(render(kCallPrinted, call(R"({"a": 1})")), "f{\"a\": 1};");
  EXPECT_EQ(render(kCallObjects, call("")), "f{};");
}

TEST(TemplateTraits, NullContentOnlyWhereItIsRead) {
  EXPECT_EQ(render(kCallObjects, call("{}")), "f{};") << "not the word None";
  EXPECT_EQ(render("{% for m in messages %}{{ m.content is defined }}{% endfor %}", call("{}")),
            "False");
  EXPECT_EQ(render("{% for m in messages %}{{ 'none' if m.content is none else m.content + '' }}{% "
                   "endfor %}",
                   call("{}")),
            "none");
  EXPECT_EQ(render("{% for m in messages %}{{ '[' + m.content + ']' }}{% endfor %}", call("{}")),
            "[]");
}

TEST(TemplateTraits, FieldsThatAreNullAreLeftOut) {
  Json messages = user("x");
  messages[0]["name"] = nullptr;
  messages[0]["tool_calls"] = nullptr;
  EXPECT_EQ(render("{{ messages[0].name is defined }} {{ 'tool_calls' in messages[0] }}", messages),
            "False False");
}

TEST(TemplateTraits, ADeveloperIsTheSystemWhereTheRoleIsUnknown) {
  Json messages = user("x");
  messages[0]["role"] = "developer";
  EXPECT_EQ(render("{{ messages[0].role }}", messages), "system");
  EXPECT_EQ(render("{{ messages[0].role }}{% if messages[0].role == 'developer' %}!{% endif %}",
                   messages),
            "developer!");
}

TEST(TemplateTraits, ReasoningUnderEachOfItsNames) {
  for (const char* name : {"reasoning_content", "reasoning", "thinking"}) {
    Json messages = user("x");
    messages[0][name] = "hm";
    EXPECT_EQ(render("{{ messages[0].reasoning_content }} {{ messages[0].thinking }}", messages),
              "hm hm")
        << name;
  }
}

TEST(TemplateTraits, TheDemoTemplate) {
  const auto demo = ChatTemplate::load(test::demo_dir(), test::demo(), {});
  ASSERT_TRUE(demo.ok());
  ChatInput input;
  input.messages = call(R"({"city": "Köln"})");
  EXPECT_NE(demo.value()->render(input).value().text.find(
                R"({"name": "f", "parameters": {"city": "Köln"}})"),
            std::string::npos);
}

TEST(TemplateTraits, ToolsAndDocumentsAreRefusedByTemplatesWithoutThem) {
  const auto compiled = ChatTemplate::compile(kStrings, "", test::demo());
  ChatInput input;
  input.messages = user("x");
  input.documents = Json::array({{{"title", "t"}, {"text", "x"}}});
  auto prompt = compiled.value()->render(input);
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().param, "documents");
  input.documents = nullptr;
  input.tools = Json::array({Json::object()});
  prompt = compiled.value()->render(input);
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().param, "tools");
}

}  // namespace
}  // namespace ember
