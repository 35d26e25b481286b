// SPDX-License-Identifier: Apache-2.0
#include "ember/base/json_file.h"

#include <gmock/gmock.h>

#include "base/temp_dir.h"

namespace ember {
namespace {

using testing::HasSubstr;

TEST(JsonFile, ReadsWhatIsThere) {
  const test::TempDir dir;
  dir.write("a.json", R"({"a": [1, "é"]})");
  const auto json = read_json_file(dir.path() / "a.json", 100);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json.value()["a"][1], "é");
  const std::string deepest = std::string(64, '[') + std::string(64, ']');
  EXPECT_TRUE(parse_json_file("deep.json", deepest).ok());
}

TEST(JsonFile, ErrorsNameTheFileAndTheReason) {
  const test::TempDir dir;
  dir.write("broken.json", R"({"a": )");
  dir.write("deep.json", std::string(1000, '[') + std::string(1000, ']'));
  const auto error = [&](const char* name, size_t max_bytes) {
    const auto json = read_json_file(dir.path() / name, max_bytes);
    return json.ok() ? "" : json.error().message;
  };
  EXPECT_THAT(error("absent", 10), HasSubstr("absent: file does not exist"));
  EXPECT_THAT(error("broken.json", 3), HasSubstr("6 bytes, at most 3"));
  EXPECT_THAT(error("broken.json", 100), HasSubstr("broken.json: not JSON"));
  EXPECT_THAT(error("deep.json", 5000), HasSubstr("deep.json: nests deeper than 64"));
  EXPECT_THAT(parse_json_file("b.json", "\"\xFF\"").error().message, HasSubstr("not JSON"));
}

}  // namespace
}  // namespace ember
