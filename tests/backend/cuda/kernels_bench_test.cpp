// SPDX-License-Identifier: Apache-2.0
// The benchmark of the kernels on small shapes: every result is right, and each of its families
// says something.
#include "ember/backend/cuda/kernels_bench.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "ember/base/start_error.h"

namespace ember {
namespace {

class KernelsBench : public testing::TestWithParam<DType> {};

TEST_P(KernelsBench, EverythingIsCheckedAndTimedBesideCublas) {
  std::stringstream out;
  EXPECT_TRUE(bench_cuda_kernels({.dtype = GetParam(), .tiny = true}, out));
  std::set<std::string> checked, timed;
  for (std::string line; std::getline(out, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    if (row.contains("right")) {
      EXPECT_TRUE(row["right"].get<bool>()) << line;
      checked.insert(row["kernel"]);
    }
    if (!row.contains("us")) continue;
    timed.insert(row["kernel"]);
    EXPECT_GT(row["us"], 0) << line;
    if (row["kernel"] == "gemm") {
      EXPECT_GT(row["speed_over_cublas"], 0) << line;
      EXPECT_GT(row["clusters"], 0) << line;
      EXPECT_GT(row["clusters_at_once"], 0) << line;
    }
  }
  EXPECT_EQ(checked, (std::set<std::string>{"cublas", "gemm", "attention", "decode", "prefill"}));
  EXPECT_EQ(timed, (std::set<std::string>{"read", "copy", "cublas", "gemm", "decode", "prefill",
                                          "overlap", "norm", "sample"}));
}

INSTANTIATE_TEST_SUITE_P(, KernelsBench, testing::Values(DType::kF16, DType::kBF16),
                         [](const auto& i) { return std::string(name_of(i.param)); });

TEST(KernelsBenchPredictions, AreForEveryShapeAndNeedNoDevice) {
  std::stringstream out;
  EXPECT_TRUE(bench_cuda_kernels({.device = 1000, .predict = true}, out));
  std::map<std::string, int> rows;
  for (std::string line; std::getline(out, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    ++rows[row["kernel"]];
    EXPECT_GT(row["predicted_us_h200"], 1) << line;
    EXPECT_GE(row["predicted_us_h100"], row["predicted_us_h200"]) << line;
    EXPECT_NE(row["bound_h100"], "") << line;
  }
  EXPECT_EQ(rows, (std::map<std::string, int>{{"gemm", 53}, {"decode", 18}, {"prefill", 11}}));
}

TEST(KernelsBenchFamilies, RefuseWhatIsNone) {
  std::stringstream out;
  EXPECT_THROW(bench_cuda_kernels({.tiny = true, .families = {"gem"}}, out), StartError);
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace ember
