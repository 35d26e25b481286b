// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa.h"

#include <gtest/gtest.h>

#include "ember/base/start_error.h"

namespace ember::cpu {
namespace {

TEST(Isa, AutoIsTheLastAvailableAndEachCanBeForced) {
  const std::vector<Isa> isas = available_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::kAvx2);
  EXPECT_EQ(choose_isa("auto"), isas.back());
  for (const Isa isa : isas) EXPECT_EQ(choose_isa(name_of(isa)), isa);
}

TEST(Isa, RefusesWhatTheMachineLacksAndNamesWhatItHas) {
  try {
    choose_isa("sse");
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    EXPECT_NE(std::string(e.what()).find("avx2"), std::string::npos);
  }
}

}  // namespace
}  // namespace ember::cpu
