// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "commands.h"

namespace ember {
namespace {

Settings small() {
  Settings settings;
  settings.bench_fleet.replicas = 2;
  settings.bench_fleet.request_rate = 4;
  settings.bench_fleet.duration = 5;
  settings.bench_fleet.json = true;
  return settings;
}

nlohmann::json run(const Settings& settings) {
  std::ostringstream out;
  EXPECT_EQ(bench_fleet(settings, out), ExitCode::kOk);
  return nlohmann::json::parse(out.str());
}

TEST(BenchFleet, ComparesAllPoliciesOrRunsOne) {
  Settings settings = small();
  const nlohmann::json all = run(settings);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]["policy"], "prefix");
  EXPECT_EQ(all[4]["policy"], "hash");
  settings.bench_fleet.policy = "hash";
  nlohmann::json one = run(settings);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0]["trace"], all[4]["trace"]);
  settings.bench_fleet.workload = "unique";
  EXPECT_NE(run(settings)[0]["trace"], all[4]["trace"]);
}

TEST(BenchFleet, PrintsATableUnlessJsonIsAskedFor) {
  Settings settings = small();
  settings.bench_fleet.json = false;
  std::ostringstream out;
  EXPECT_EQ(bench_fleet(settings, out), ExitCode::kOk);
  EXPECT_TRUE(out.str().starts_with("policy ")) << out.str();
}

TEST(BenchFleet, RefusesWhatCannotBeSimulated) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::pair<std::string, BenchFleetSettings>> cases;
  const auto with = [&](const char* flag, auto BenchFleetSettings::* field, auto value) {
    BenchFleetSettings s = small().bench_fleet;
    s.*field = value;
    cases.emplace_back(flag, s);
  };
  with("--replicas", &BenchFleetSettings::replicas, 0);
  with("--request-rate", &BenchFleetSettings::request_rate, 0.0);
  with("--request-rate", &BenchFleetSettings::request_rate, nan);
  with("--duration", &BenchFleetSettings::duration, nan);
  with("--step-ms", &BenchFleetSettings::step_ms, 0.0);
  with("--decode-token-ms", &BenchFleetSettings::decode_token_ms, -1.0);
  with("--prefill-token-ms", &BenchFleetSettings::prefill_token_ms, -1.0);
  with("--max-num-batched-tokens", &BenchFleetSettings::max_num_batched_tokens, 0);
  with("--max-num-seqs", &BenchFleetSettings::max_num_seqs, 8193);
  with("--kv-cache-tokens", &BenchFleetSettings::kv_cache_tokens, int64_t{1000});
  with("--front-ends", &BenchFleetSettings::front_ends, 0);
  with("--report-delay-ms", &BenchFleetSettings::report_delay_ms, -1.0);
  with("--slow-share", &BenchFleetSettings::slow_share, 1.5);
  with("--crash-mtbf", &BenchFleetSettings::crash_mtbf, -1.0);
  with("--hang-mtbf", &BenchFleetSettings::hang_mtbf, nan);
  for (const auto& [flag, fleet] : cases) {
    Settings settings;
    settings.bench_fleet = fleet;
    std::ostringstream out;
    try {
      bench_fleet(settings, out);
      ADD_FAILURE() << flag;
    } catch (const StartError& e) {
      EXPECT_EQ(e.code(), ExitCode::kConfig);
      EXPECT_TRUE(std::string(e.what()).starts_with(flag + " ")) << e.what();
    }
  }
}

}  // namespace
}  // namespace ember
