// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <sstream>

#include "commands.h"

namespace ember {
namespace {

#if !defined(EMBER_CUDA)
TEST(BenchKernels, SaysThatThereIsNoCuda) {
  std::ostringstream out;
  try {
    bench_kernels({}, out);
    ADD_FAILURE();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    EXPECT_NE(std::string(e.what()).find("no CUDA"), std::string::npos);
  }
}
#endif

TEST(BenchKernels, RefusesUnknownFamilies) {
  Settings s;
  s.bench_kernels.families = {"gem"};
  std::ostringstream out;
  EXPECT_THROW(bench_kernels(s, out), StartError);
}

}  // namespace
}  // namespace ember
