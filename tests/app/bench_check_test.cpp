// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "commands.h"

namespace ember {
namespace {

TEST(BenchCheck, EveryFamilyIsComparedInBothTypes) {
  Settings s;
  s.device.kind = DeviceKind::kCpu;
  s.device.cpu_threads = 2;
  s.bench_check.tiny = true;
  s.log.level = "error";
  std::stringstream out;
  EXPECT_EQ(bench_check(s, out), ExitCode::kOk) << out.str();
  std::set<std::string> seen;
  for (std::string line; std::getline(out, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    EXPECT_TRUE(row["right"].get<bool>()) << line;
    EXPECT_GE(row["tokens"], 24) << line;
    seen.insert(row["check"].get<std::string>() + row["family"].get<std::string>() +
                row["type"].get<std::string>());
  }
  EXPECT_EQ(seen.size(), 20u) << out.str();
}

}  // namespace
}  // namespace ember
