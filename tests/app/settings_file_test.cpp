// SPDX-License-Identifier: Apache-2.0
#include "settings_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temp_dir.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

std::string path() { return test::process_dir() / "settings_file.json"; }

std::string refusal(const std::string& file) {
  try {
    SettingsFile::read(file);
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    return e.what();
  }
  return "accepted";
}

std::string refusal_of(const std::string& text) {
  std::ofstream(path()) << text;
  return refusal(path());
}

TEST(SettingsFile, ReadsScalarsAndListsWithTheirLines) {
  std::ofstream(path()) << "{\"a\": 1,\n \"b\": [\"x\", true],\n \"c\": 0.5}";
  const SettingsFile file = SettingsFile::read(path());
  EXPECT_EQ(file.entries.at("a").values, std::vector<std::string>{"1"});
  EXPECT_EQ(file.entries.at("b").values, (std::vector<std::string>{"x", "true"}));
  EXPECT_EQ(file.entries.at("b").line, 2);
  EXPECT_EQ(file.entries.at("c").values, std::vector<std::string>{"0.5"});
}

TEST(SettingsFile, RefusesWhatIsNoFile) {
  EXPECT_NE(refusal(path() + ".missing").find("does not exist"), std::string::npos);
  EXPECT_NE(refusal(test::process_dir()).find("not a regular file"), std::string::npos);
  std::ofstream(path()) << "{}";
  std::filesystem::resize_file(path(), (1 << 20) + 1);
  EXPECT_NE(refusal(path()).find("at most 1048576"), std::string::npos);
}

TEST(SettingsFile, RefusesBadContentWithItsLine) {
  EXPECT_NE(refusal_of("{\"a\": 1,\n \"b\": }").find(":2: not JSON"), std::string::npos);
  EXPECT_NE(refusal_of("[1]").find(":1: settings must be one JSON object"), std::string::npos);
  EXPECT_NE(refusal_of("").find("not JSON"), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\": 1,\n\"a\": 2}").find(":2: key \"a\" appears twice"),
            std::string::npos);
  EXPECT_NE(refusal_of("{\n\"a\": {\"b\": 1}}").find(":2: \"a\" must be"), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\": null}").find("\"a\" must be"), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\": " + std::string(100000, '[') + std::string(100000, ']') + "}")
                .find("\"a\" must be"),
            std::string::npos);
}

}  // namespace
}  // namespace ember
