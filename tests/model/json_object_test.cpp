// SPDX-License-Identifier: Apache-2.0
#include "json_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(JsonObject, OnlyASoundFileIsRead) {
  const TempDir dir;
  const auto why = [&](const std::string& text) {
    write_file(dir / "x.json", text);
    return refusal([&] { JsonObject::read(dir / "x.json"); });
  };
  EXPECT_THAT(refusal([&] { JsonObject::read(dir / "x.json"); }),
              AllOf(HasSubstr("x.json"), HasSubstr("file is missing")));
  EXPECT_THAT(refusal([&] { JsonObject::read(dir.path()); }), HasSubstr("not a regular file"));
  EXPECT_THAT(why(""), HasSubstr("not JSON"));
  EXPECT_THAT(why("{\"a\":"), HasSubstr("not JSON"));
  EXPECT_THAT(why("{\"a\":\"\xff\"}"), HasSubstr("not JSON"));
  EXPECT_THAT(why("[]"), HasSubstr("must hold a JSON object, found a list"));
  EXPECT_THAT(why("{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}"),
              HasSubstr("deeper than 64"));
  EXPECT_THAT(why("{\"a\":" + std::string(100000, '[')), HasSubstr("x.json"));
  EXPECT_THAT(why(std::string(50 << 20, ' ')), HasSubstr("at most 16777216 are read"));
}

TEST(JsonObject, NamesHaveTheOrderOfTheFile) {
  const TempDir dir;
  write_file(
      dir / "x.json",
      R"({"b": {"o": {"x": 1}}, "a": {"l": [{"o": {"y": 1}}], "o": {"z": 1, "c": {"o": {"d": 2}},
             "a": [], "z": 3, "m": null}, "n": {}}})");
  const JsonObject a = JsonObject::read(dir / "x.json").object("a").value();
  EXPECT_EQ(a.ordered_names("o"), (std::vector<std::string>{"z", "c", "a", "m"}));
  EXPECT_TRUE(a.ordered_names("n").empty());
  EXPECT_TRUE(a.ordered_names("absent").empty());
  write_file(dir / "x.json", "{}");
  EXPECT_THAT(refusal([&] { a.ordered_names("o"); }),
              AllOf(HasSubstr("x.json: \"a.o\""), HasSubstr("changed while it was read")));
}

TEST(JsonObject, ValuesHaveTypesAndBounds) {
  const JsonObject json(
      "f.json", "p.",
      nlohmann::json::parse(
          R"({"i": 5, "big": 18446744073709551615, "f": 0.5, "s": "x", "b": true, "n": null,
    "l": [1, 2], "t": ["a"], "mixed": [1, "a"], "o": {"i": 7}, "d": [1, 2.5]})"));
  EXPECT_EQ(json.integer("i", 0, 5), 5);
  EXPECT_EQ(json.integer("n", 0, 5, 3), 3);
  EXPECT_EQ(json.number("f", 0, 1), 0.5);
  EXPECT_EQ(json.number("i", 0, 10), 5);
  EXPECT_TRUE(json.boolean("b", false));
  EXPECT_EQ(json.text("s", ""), "x");
  EXPECT_EQ(json.integers("l"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(json.integers("i"), (std::vector<int64_t>{5}));
  EXPECT_EQ(json.texts("t"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(json.numbers("d", 0, 3), (std::vector<double>{1, 2.5}));
  EXPECT_TRUE(json.numbers("n", 0, 3).empty());
  EXPECT_FALSE(json.has("n"));
  const JsonObject other = json.with({{"i", 6}});
  EXPECT_EQ(other.integer("i", 0, 6), 6);
  const auto why = [](const std::function<void()>& body) { return refusal(body); };
  EXPECT_THAT(why([&] { json.integer("i", 0, 4); }),
              HasSubstr("f.json: \"p.i\": expected an integer from 0 to 4, found 5"));
  EXPECT_THAT(why([&] { json.integer("big", 0, INT64_MAX); }),
              HasSubstr("found 18446744073709551615"));
  EXPECT_THAT(why([&] { json.integer("f", 0, 4); }), HasSubstr("found 0.5"));
  EXPECT_THAT(why([&] { json.integer("absent", 0, 4); }), HasSubstr("found nothing"));
  EXPECT_THAT(why([&] { json.number("s", 0, 4); }), HasSubstr("a number from 0 to 4, found \"x\""));
  EXPECT_THAT(why([&] { json.boolean("i", true); }), HasSubstr("true or false"));
  EXPECT_THAT(why([&] { json.text("i", ""); }), HasSubstr("a string"));
  EXPECT_THAT(why([&] { json.texts("mixed"); }), HasSubstr("a list of strings"));
  EXPECT_THAT(why([&] { json.integers("mixed"); }), HasSubstr("a list of integers"));
  EXPECT_THAT(why([&] { json.numbers("d", 0, 2); }),
              HasSubstr("a list of numbers from 0 to 2, found a list"));
  EXPECT_THAT(why([&] { json.numbers("f", 0, 2); }), HasSubstr("found 0.5"));
  EXPECT_THAT(why([&] { other.integer("i", 0, 5); }), HasSubstr("f.json: \"p.i\""));
  EXPECT_THAT(why([&] { json.object("i"); }), HasSubstr("an object"));
  EXPECT_THAT(why([&] { json.object("o")->integer("i", 0, 1); }), HasSubstr("\"p.o.i\""));
}

}  // namespace
}  // namespace ember
