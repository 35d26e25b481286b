// SPDX-License-Identifier: Apache-2.0
#include "fake_faults.h"

#include <gtest/gtest.h>

#include "ember/base/start_error.h"

namespace ember {
namespace {

TEST(FakeFaults, EachEngineHasItsOwn) {
  const std::string text = "step=100:throw,step=7:hang";
  EXPECT_EQ(fault_of(text, 0).step, 100);
  EXPECT_FALSE(fault_of(text, 0).hangs);
  EXPECT_EQ(fault_of(text, 1).step, 7);
  EXPECT_TRUE(fault_of(text, 1).hangs);
  EXPECT_EQ(fault_of(text, 2).step, 0);
  EXPECT_EQ(fault_of("", 0).step, 0);
}

TEST(FakeFaults, RefusesWhatItDoesNotUnderstand) {
  for (const char* text : {"x", "step=", "step=0:throw", "step=5", "step=5:fly", "step=5:hangs",
                           "step=5:throw,,", "step=99999999999:throw", "step=-1:throw"})
    EXPECT_THROW(fake_faults(text), StartError) << text;
}

}  // namespace
}  // namespace ember
