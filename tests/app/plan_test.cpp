// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/model_dir.h"
#include "commands.h"

namespace ember {
namespace {

Settings settings(bool json) {
  Settings s;
  s.command = CommandKind::kPlan;
  s.model().path = kDemoModel.string();
  s.plan.json = json;
  s.log.level = "error";
  return s;
}

TEST(Plan, PrintsATable) {
  std::ostringstream out;
  EXPECT_EQ(plan(settings(false), out), ExitCode::kOk);
  for (const char* row : {"CPU, ", "weights", "activations", "KV cache", "total"})
    EXPECT_NE(out.str().find(row), std::string::npos) << out.str();
}

TEST(Plan, PrintsJsonWhoseNumbersAddUp) {
  std::ostringstream out;
  EXPECT_EQ(plan(settings(true), out), ExitCode::kOk);
  const nlohmann::json json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json["total_bytes"].get<size_t>(), json["weight_bytes"].get<size_t>() +
                                                   json["activation_bytes"].get<size_t>() +
                                                   json["kv_cache_bytes"].get<size_t>());
  EXPECT_EQ(json["kv_cache_tokens"],
            json["num_blocks"].get<int64_t>() * json["block_size"].get<int64_t>());
}

TEST(Plan, RanksAreAListInJsonAndColumnsInTheTable) {
  std::ostringstream json_out, table;
  Settings two = settings(true);
  two.device.tensor_parallel_size = 2;
  EXPECT_EQ(plan(two, json_out), ExitCode::kOk);
  const nlohmann::json ranks = nlohmann::json::parse(json_out.str())["ranks"];
  ASSERT_EQ(ranks.size(), 2u);
  EXPECT_EQ(ranks[0]["num_blocks"], ranks[1]["num_blocks"]);
  two.plan.json = false;
  EXPECT_EQ(plan(two, table), ExitCode::kOk);
  EXPECT_NE(table.str().find("rank 1"), std::string::npos) << table.str();
}

}  // namespace
}  // namespace ember
