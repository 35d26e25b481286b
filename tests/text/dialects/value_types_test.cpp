// SPDX-License-Identifier: Apache-2.0
#include "dialects/value_types.h"

#include <gmock/gmock.h>

#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;

ValueTypes types_of(const char* schema) {
  const Json root = {
      {"$defs", {{"s", {{"type", "string"}}}, {"loop", {{"$ref", "#/$defs/loop"}}}}}};
  return value_types(Json::parse(schema), root);
}
std::string value(const char* schema, const std::string& text) {
  return value_of_text(types_of(schema), text);
}

TEST(ValueTypes, OfSchemas) {
  for (const char* schema :
       {R"({"type":"string"})", R"({"$ref":"#/$defs/s"})", R"({"enum":["a","b"]})",
        R"({"const":"a"})", R"({"allOf":[{"$ref":"#/$defs/s"}],"default":"x"})",
        R"({"anyOf":[{"type":"string"},{"const":"b"}]})", R"({"type":["string"]})",
        R"({"minLength":2})"})
    EXPECT_TRUE(types_of(schema).only_string()) << schema;
  for (const char* schema :
       {R"({"type":"integer"})", R"({"type":["number","null"]})", R"({"enum":[1,2]})",
        R"({"type":"object"})", R"({"items":{}})", R"({"properties":{"a":{}}})"})
    EXPECT_FALSE(types_of(schema).string) << schema;
  const ValueTypes optional = types_of(R"({"anyOf":[{"type":"string"},{"type":"null"}]})");
  EXPECT_TRUE(optional.string);
  EXPECT_EQ(optional.others, ValueTypes::kNull);
}

TEST(ValueTypes, WhatCannotBeToldApartIsJson) {
  for (const char* schema :
       {R"({"allOf":[{"type":"string"},{"minLength":2}]})", R"({"not":{}})",
        R"({"$ref":"#/$defs/loop"})", R"({"$ref":"#/none"})", R"({"$ref":"other.json"})",
        R"({"anyOf":[{"type":"string"},{"type":"integer","minimum":5}]})", R"({"type":"x"})",
        R"({"$ref":"#/$defs/s","minLength":2})", R"({"anyOf":5})"}) {
    EXPECT_FALSE(types_of(schema).string) << schema;
    EXPECT_EQ(value(schema, "\"a\""), "\"a\"");
    EXPECT_EQ(value(schema, "a"), "\"a\"");
  }
}

TEST(ValueTypes, ValuesOfTexts) {
  EXPECT_EQ(value(R"({"type":"string"})", "\"5\""), R"("\"5\"")");
  EXPECT_EQ(value("{}", "\"5\""), R"("\"5\"")");
  EXPECT_EQ(value("{}", " [5]\n"), "[5]");
  EXPECT_EQ(value("true", "x"), "\"x\"");
  EXPECT_EQ(value(R"({"type":"number"})", "1e3"), "1e3");
  EXPECT_EQ(value(R"({"type":"number"})", "1."), "\"1.\"");
  EXPECT_EQ(value(R"({"type":"integer"})", "\"5\""), "\"5\"");
  EXPECT_EQ(value(R"({"type":["string","integer"]})", "5"), "5");
  EXPECT_EQ(value(R"({"type":["string","integer"]})", "5.5"), "\"5.5\"");
  EXPECT_EQ(value(R"({"type":["string","integer"]})", "True"), "\"True\"");
  EXPECT_EQ(value(R"({"type":["boolean","null"]})", "None"), "null");
  EXPECT_EQ(value(R"({"type":"object"})", ""), "\"\"");
}

TEST(ValueTypes, EscapedTextIsTheInsideOfAString) {
  std::string text;
  for (int byte = 0; byte < 128; ++byte) text += static_cast<char>(byte);
  text += "K\u00f6ln \U0001F600";
  EXPECT_EQ(Json::parse('"' + json_escaped(text) + '"'), Json(text));
}

}  // namespace
}  // namespace ember
