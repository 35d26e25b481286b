// SPDX-License-Identifier: Apache-2.0
#include "left_out.h"

#include <gmock/gmock.h>

#include "ember/base/log.h"

namespace ember {
namespace {

using testing::HasSubstr;

TEST(LeftOut, TheLogSaysHowManyTokensThereAre) {
  const auto logged = [](const std::vector<std::string>& texts) {
    testing::internal::CaptureStderr();
    init_log("info", false);
    EXPECT_TRUE(report_left_out(texts, {{"eos_token", "</s>"}, {"pad_token", "<y>"}}, 7).ok());
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(logged({}), "");
  const std::string line = logged({"<x>", "<y>"});
  EXPECT_THAT(line, HasSubstr("2 added tokens have ids beyond the model's vocab_size 7"));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TEST(LeftOut, WhatBeginsOrEndsATextIsNotLeftOut) {
  const std::vector<std::string> left_out = {"<x>", "<y>"};
  for (const char* name : {"bos_token", "eos_token"}) {
    const auto refused = report_left_out(left_out, {{name, "<y>"}, {"pad_token", "<x>"}}, 7);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().message,
              std::string(name) + " \"<y>\" has an id beyond the model's vocab_size 7");
  }
}

}  // namespace
}  // namespace ember
