// SPDX-License-Identifier: Apache-2.0
// Linked into a program of tests: each of them begins with a machine that has run nothing, looks at
// the order of accesses and makes no mistakes, whatever ran before it.
#include <gtest/gtest.h>

#include "fake_runtime.h"
#include "machine.h"

namespace {

class FreshMachine final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { emu::reset({}); }
  void OnTestEnd(const testing::TestInfo&) override {
    if (emu::chained()) ADD_FAILURE() << "an emu::Chain outlives its test";
    fake_cuda::check_guards();
    emu::reset({});  // what ends after the test makes no mistakes either
  }
};

const bool listens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new FreshMachine);
  return true;
}();

}  // namespace
