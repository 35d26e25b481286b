// SPDX-License-Identifier: Apache-2.0
// Each test of a program begins with a machine that has run nothing and makes no mistakes, whatever
// ran before it.
#pragma once

#include <gtest/gtest.h>

#include "fake_runtime.h"
#include "machine.h"

namespace ember::kernels {

class FreshMachine final : public testing::EmptyTestEventListener {
 public:
  explicit FreshMachine(const emu::Options& options) : options_(options) {}

 private:
  void OnTestStart(const testing::TestInfo&) override { emu::reset(options_); }
  void OnTestEnd(const testing::TestInfo&) override {
    if (emu::chained()) ADD_FAILURE() << "an emu::Chain outlives its test";
    fake_cuda::check_guards();
    emu::reset(options_);  // what ends after the test makes no mistakes either
  }

  const emu::Options options_;
};

// For all tests of the program; to be called before main().
inline bool begin_each_test_with(const emu::Options& options) {
  testing::UnitTest::GetInstance()->listeners().Append(new FreshMachine(options));
  return true;
}

}  // namespace ember::kernels
