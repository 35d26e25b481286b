// SPDX-License-Identifier: Apache-2.0
#include "dialects/parameters.h"

#include <gmock/gmock.h>

#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;

// The names of each list; those that may be left out with a question mark.
std::vector<std::string> lists(const char* schema) {
  std::vector<std::string> all;
  for (const std::vector<Parameter>& list : parameter_lists(Json::parse(schema))) {
    std::string names;
    for (const Parameter& one : list) names += one.name + (one.required ? " " : "? ");
    all.push_back(names);
  }
  return all;
}

using testing::ElementsAre;

TEST(Parameters, Lists) {
  EXPECT_THAT(lists("null"), ElementsAre(""));
  EXPECT_THAT(lists(R"({"properties":{"b":{},"a":{}},"required":["a","c"]})"),
              ElementsAre("b? a c "));
  EXPECT_THAT(lists(R"({"$ref":"#/$defs/p","$defs":{"p":{"properties":{"a":{}}}}})"),
              ElementsAre("a? "));
  EXPECT_THAT(
      lists(R"({"properties":{"a":{}},"oneOf":[{"required":["a"]},{"properties":{"b":{}}}]})"),
      ElementsAre("a ", "a? b? "));
  EXPECT_THAT(lists(R"({"allOf":[{"properties":{"a":{}}},{"required":["a"]}]})"),
              ElementsAre("a "));
  EXPECT_THAT(lists(R"({"properties":{"a":{},"b":{},"c":{}},"minProperties":2,"required":["c"]})"),
              ElementsAre("a b? c "));
  EXPECT_THAT(lists(R"({"properties":{"a":{},"b":{},"c":{}},"maxProperties":1})"),
              ElementsAre("a? "));
  EXPECT_THAT(lists(R"({"properties":{"a":false}})"), ElementsAre(""));
  EXPECT_THAT(lists(R"({"$ref":"#"})"), ElementsAre(""));
}

TEST(Parameters, SchemaOfOne) {
  const Json schema = Json::parse(
      R"({"properties":{"a":{"type":"null"}},"additionalProperties":{"type":"string"}})");
  EXPECT_EQ(parameter_schema(schema, "a")["type"], "null");
  EXPECT_EQ(parameter_schema(schema, "b")["type"], "string");
  EXPECT_EQ(parameter_schema(nullptr, "b"), Json::object());
}

TEST(Parameters, ASchemaThatStandsAlone) {
  const Json root = Json::parse(
      R"({"$defs":{"x":{"$ref":"#/properties/b"}},"properties":{"a":{"$ref":"#/$defs/x"},"b":{}}})");
  EXPECT_EQ(standing_alone(root["properties"]["b"], root), Json::object());
  const Json alone = standing_alone(root["properties"]["a"], root);
  const auto target = [&](const Json& reference) {
    return alone.at(Json::json_pointer(reference["$ref"].get<std::string>().substr(1)));
  };
  EXPECT_EQ(target(target(alone)), Json::object());
}

}  // namespace
}  // namespace ember
