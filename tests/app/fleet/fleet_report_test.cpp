// SPDX-License-Identifier: Apache-2.0
#include "fleet/fleet_report.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

FleetResult result() {
  FleetResult r;
  r.requests = 10;
  r.completed = 8;
  r.errors = 1;
  r.unanswered = 1;
  r.good = 4;
  r.prompt_tokens = 1000;
  r.cached_tokens = 250;
  r.ttft = {0.1, 0.2, 0.3};
  r.tpot = {0.01, 0.02, 0.03};
  r.imbalance = 1.5;
  r.choices = 10;
  r.choice_seconds = 20e-6;
  r.trace = 0xabc;
  return r;
}

TEST(FleetReport, HasARowPerPolicy) {
  FleetReport report(2);
  report.add("prefix", result());
  report.add("hash", FleetResult());
  const auto json = report.json();
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["policy"], "prefix");
  EXPECT_EQ(json[0]["errors"], 1);
  EXPECT_DOUBLE_EQ(json[0]["ttft_p50_ms"], 200);
  EXPECT_DOUBLE_EQ(json[0]["goodput_per_s"], 2);
  EXPECT_DOUBLE_EQ(json[0]["goodput_percent"], 40);
  EXPECT_DOUBLE_EQ(json[0]["cache_hit_percent"], 25);
  EXPECT_DOUBLE_EQ(json[0]["us_per_choice"], 2);
  EXPECT_EQ(json[0]["trace"], "0000000000000abc");
  EXPECT_EQ(json[1]["cache_hit_percent"], 0) << "nothing was asked";
}

TEST(FleetReport, TheTableHasALineEach) {
  FleetReport report(2);
  report.add("prefix", result());
  EXPECT_EQ(report.table(),
            "policy        requests  errors  unanswered  TTFT p50  TTFT p99  TPOT p99  goodput/s  "
            "good%  hits%  imbalance\n"
            "prefix              10       1           1       200       298      29.8        2.0   "
            "40.0   25.0       1.50\n");
}

}  // namespace
}  // namespace ember
