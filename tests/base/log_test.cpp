// SPDX-License-Identifier: Apache-2.0
#include "ember/base/log.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

std::string logged(bool json, const std::string& message) {
  testing::internal::CaptureStderr();
  init_log("info", json);
  spdlog::info(message);
  spdlog::debug("hidden");
  return testing::internal::GetCapturedStderr();
}

TEST(Log, TextLineEndsWithTheMessage) {
  const std::string line = logged(false, "ready");
  EXPECT_TRUE(line.ends_with("info ready\n")) << line;
}

TEST(Log, JsonEscapesWhatJsonMustNotHold) {
  const std::string line = logged(true, "say \"hi\" \\ \n\x01");
  EXPECT_NE(line.find(R"("message":"say \"hi\" \\ \u000a\u0001"})"), std::string::npos) << line;
}

}  // namespace
}  // namespace ember
