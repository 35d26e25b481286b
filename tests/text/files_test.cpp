// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <gmock/gmock.h>

#include "text/fixtures.h"

namespace ember {
namespace {

using testing::HasSubstr;

TEST(Files, ReadsWhatIsThere) {
  const test::ModelDir dir;
  dir.write("a.json", R"({"a": [1, "é"]})");
  const auto text = read_text_file(dir.path() / "a.json", 100);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value(), R"({"a": [1, "é"]})");
  const auto json = read_json_file(dir.path() / "a.json", 100);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json.value()["a"][1], "é");
}

TEST(Files, ErrorsNameTheFileAndTheReason) {
  const test::ModelDir dir;
  dir.write("long", std::string(11, 'x'));
  dir.write("broken.json", R"({"a": )");
  dir.write("deep.json", std::string(1000, '[') + std::string(1000, ']'));
  const auto absent = read_text_file(dir.path() / "absent", 10);
  ASSERT_FALSE(absent.ok());
  EXPECT_THAT(absent.error().message, HasSubstr("absent: file does not exist"));
  EXPECT_THAT(read_text_file(dir.path(), 10).error().message, HasSubstr("not a regular file"));
  EXPECT_THAT(read_text_file(dir.path() / "long", 10).error().message,
              HasSubstr("11 bytes, at most 10"));
  EXPECT_THAT(read_json_file(dir.path() / "broken.json", 100).error().message,
              HasSubstr("broken.json: not JSON"));
  EXPECT_THAT(read_json_file(dir.path() / "deep.json", 5000).error().message,
              HasSubstr("nests deeper than 64"));
}

}  // namespace
}  // namespace ember
