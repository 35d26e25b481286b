// SPDX-License-Identifier: Apache-2.0
#include "ember/server/json_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ember {
namespace {

TEST(JsonReader, RefusesWhatIsNoObjectOrTooDeep) {
  using namespace std::string_literals;
  for (const std::string& body :
       std::vector<std::string>{"", "  ", "null", "[]", "\"x\"", "1", "{", "{\"a\":1,}", "{} {}",
                                "{\"a\":NaN}", "{\"a\":01}", "{\"a\":\"\xff\"}", "{\"a\":1e999}",
                                "{}\0{}"s, "{}\0"s, "{\"a\":\0 1}"s}) {
    const Result<Json> parsed = parse_body(body);
    ASSERT_FALSE(parsed.ok()) << body;
    EXPECT_EQ(parsed.error().code, "invalid_json") << body;
  }
  for (const size_t depth : {65u, 1000u, 100000u})
    EXPECT_EQ(parse_body("{\"a\":" + std::string(depth, '[')).error().code, "nesting_too_deep");
  EXPECT_TRUE(parse_body("{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}").ok());
}

// One parser takes the first, another one the last.
TEST(JsonReader, RefusesAKeyTwiceInOneObject) {
  struct Case {
    const char* body;
    const char* param;
  };
  for (const Case& c : {Case{R"({"a":1,"a":1})", "a"},
                        {R"({"a":1,"b":{"x":[{"c":1,"d":{},"c":2}]}})", "b"},
                        {R"({"a":1,"\u0061":2})", "a"},
                        {R"({"":1,"":2})", ""}}) {
    const Result<Json> parsed = parse_body(c.body);
    ASSERT_FALSE(parsed.ok()) << c.body;
    EXPECT_EQ(parsed.error().code, "invalid_json") << c.body;
    EXPECT_EQ(parsed.error().param, c.param) << c.body;
  }
  EXPECT_TRUE(parse_body(R"({"a":{"a":{"b":1}},"b":[{"a":1},{"a":1}]})").ok());
  EXPECT_EQ(parse_object(R"({"a":1,"a":2})").value(), (Json{{"a", 2}})) << "a model wrote it";
}

TEST(JsonReader, HintsAreListedWhereTheySayAnything) {
  const Json json = Json::parse(R"({"a":"x","b":{},"c":[],"d":false,"e":null,"f":0})");
  FieldReader fields(json, "p.");
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) fields.ignore(name);
  fields.list_ignored("tools[1]:x");
  EXPECT_EQ(fields.ignored(), (std::vector<std::string>{"p.a", "p.f", "tools[1]:x"}));
  EXPECT_EQ(fields.num_unknown(), 0);
}

TEST(JsonReader, RefusesObjectsOfTooManyKeysBeforeTheyAreBuilt) {
  const auto object = [](int keys) {
    std::string text = "{";
    for (int i = 0; i < keys; ++i)
      text.append(i > 0 ? ",\"k" : "\"k").append(std::to_string(i)).append("\":1");
    return text + "}";
  };
  EXPECT_TRUE(parse_body(object(1'000)).ok());
  EXPECT_TRUE(parse_body(object(10'000)).ok());
  EXPECT_EQ(parse_body(object(11'000)).error().code, "invalid_value");
  EXPECT_EQ(parse_body("{\"a\":[{\"b\":" + object(11'000) + "}]}").error().param, "a");
  // Many smaller ones cost the same together.
  std::string list = "{\"a\":[";
  for (int i = 0; i < 200; ++i) list += (i > 0 ? "," : "") + object(1'000);
  EXPECT_EQ(parse_body(list + "]}").error().code, "invalid_value");
}

TEST(JsonReader, IntegersAreNeverCastSilently) {
  struct Case {
    const char* value;
    const char* code;  // empty: taken
  };
  for (const Case& c : {Case{"5", ""},
                        {"5.0", ""},
                        {"5.5", "invalid_type"},
                        {"\"5\"", "invalid_type"},
                        {"true", "invalid_type"},
                        {"[]", "invalid_type"},
                        {"11", "invalid_value"},
                        {"-1", "invalid_value"},
                        {"4294967301", "invalid_value"},
                        {"18446744073709551615", "invalid_value"},
                        {"1e308", "invalid_value"}}) {
    const Result<Json> json = parse_body(std::string("{\"n\":") + c.value + "}");
    ASSERT_TRUE(json.ok());
    FieldReader fields(json.value());
    const int64_t n = fields.integer("n", 0, 10, 7);
    EXPECT_EQ(fields.ok() ? "" : fields.error().code, c.code) << c.value;
    EXPECT_EQ(n, fields.ok() ? 5 : 7);
    if (!fields.ok()) {
      EXPECT_EQ(fields.error().param, "n");
    }
  }
}

TEST(JsonReader, StringsAreAListOrWhereItMayBeOneAlone) {
  const auto read = [](const char* value, bool or_one) {
    const Json json = parse_body(std::string("{\"s\":") + value + "}").value();
    FieldReader fields(json);
    const std::vector<std::string> strings = fields.strings("s", 2, 3, or_one);
    std::string all;
    for (const std::string& text : strings) all += text + ";";
    return fields.ok() ? all : fields.error().message;
  };
  for (const bool or_one : {false, true}) {
    EXPECT_EQ(read("[\"a\",\"abc\"]", or_one), "a;abc;");
    EXPECT_EQ(read("[]", or_one), "");
    EXPECT_EQ(read("null", or_one), "");
    EXPECT_EQ(read("[\"a\",\"b\",\"c\"]", or_one), "s must hold at most 2 strings.");
    EXPECT_EQ(read("[\"\"]", or_one), "s must hold strings of 1 to 3 bytes.");
    EXPECT_EQ(read("[\"a\",\"abcd\"]", or_one), "s must hold strings of 1 to 3 bytes.");
  }
  EXPECT_EQ(read("\"a\"", true), "a;");
  EXPECT_EQ(read("\"a\"", false), "s must be a list of strings, not a string.");
  EXPECT_EQ(read("{\"a\":1}", false), "s must be a list of strings, not an object.");
  EXPECT_EQ(read("5", true), "s must be a string or a list of strings, not a number.");
  EXPECT_EQ(read("[5]", false), "s must be a list of strings.");
  EXPECT_EQ(read("[5]", true), "s must be a string or a list of strings.");
}

TEST(JsonReader, NullIsAbsentAndUnknownFieldsAreCounted) {
  const Json json = parse_body(R"({"a":null,"b":true,"c":[1,2],"d":0})").value();
  FieldReader fields(json);
  EXPECT_EQ(fields.number("a", 0, 1, 0.5), 0.5);
  EXPECT_TRUE(fields.boolean("b", false));
  EXPECT_EQ(fields.ids("c", 2, 3), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(fields.num_unknown(), 1);
  fields.ids("c", 2, 2);
  EXPECT_EQ(fields.error().code, "invalid_value");
}

}  // namespace
}  // namespace ember
