// SPDX-License-Identifier: Apache-2.0
#include "api_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/temp_dir.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

std::string write_keys(const std::string& text, mode_t mode = 0600) {
  const std::string path = test::process_dir() / "api_keys";
  std::ofstream(path) << text;
  EXPECT_EQ(::chmod(path.c_str(), mode), 0);
  return path;
}

std::string refusal(const std::vector<std::string>& flags, const std::string& file) {
  try {
    load_api_keys(flags, file);
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    return e.what();
  }
  return "accepted";
}

TEST(ApiKeys, AreThoseOfFlagsAndFile) {
  EXPECT_TRUE(load_api_keys({}, "").empty());
  EXPECT_EQ(load_api_keys({"a"}, write_keys("b\n\nc")), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(ApiKeys, RefusesWhatCannotProtect) {
  EXPECT_NE(refusal({}, test::process_dir() / "missing").find("does not exist"), std::string::npos);
  EXPECT_NE(refusal({}, write_keys("")).find("holds no key"), std::string::npos);
  EXPECT_NE(refusal({}, write_keys("a", 0644)).find("readable by everybody"), std::string::npos);
  EXPECT_NE(refusal({}, write_keys("a\r\n")).find(":1: a key is"), std::string::npos);
  EXPECT_NE(refusal({}, write_keys("ok\na b\n")).find(":2: a key is"), std::string::npos);
  EXPECT_NE(refusal({"a"}, write_keys("a\n")).find("twice"), std::string::npos);
  EXPECT_NE(refusal({""}, "").find("a key is"), std::string::npos);
  std::string many;
  for (int i = 0; i <= 10000; ++i) many += std::to_string(i) + "\n";
  EXPECT_NE(refusal({}, write_keys(many)).find("more than 10000"), std::string::npos);
}

}  // namespace
}  // namespace ember
