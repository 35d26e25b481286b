// SPDX-License-Identifier: Apache-2.0
// What is promised of routing, on fleets that are small enough for every run of the tests.
#include "fleet/simulation.h"

#include <gtest/gtest.h>

#include <map>

#include "load_report.h"

namespace ember {
namespace {

constexpr uint64_t kSeed = 20250101;

FleetConfig fleet(WorkloadKind workload, int replicas, double rate_of_each, double duration) {
  return {.num_replicas = replicas,
          .rate = rate_of_each * replicas,
          .duration = duration,
          .workload = workload,
          .replica = {.step_seconds = 0.008,
                      .decode_token_seconds = 0.00003,
                      .prefill_token_seconds = 0.00003,
                      .step_tokens = 8192,
                      .max_num_seqs = 256,
                      .kv_tokens = 400000},
          .seed = kSeed};
}

// Every request ended with an answer.
FleetResult run(const FleetConfig& config, RoutingPolicy policy) {
  FleetResult result = FleetSimulation(config, policy).run();
  EXPECT_GT(result.requests, 0);
  EXPECT_EQ(result.completed, result.requests) << static_cast<int>(policy);
  EXPECT_EQ(result.errors, 0) << static_cast<int>(policy);
  EXPECT_EQ(result.unanswered, 0) << static_cast<int>(policy);
  return result;
}

double p99(const FleetResult& result) { return percentile(result.ttft, 0.99); }

TEST(FleetSimulation, TheSameSeedIsTheSameRun) {
  FleetConfig config = fleet(WorkloadKind::kBursts, 6, 3, 40);
  config.slow_share = 0.3;
  config.crash_mtbf = 240;
  config.hang_mtbf = 240;
  for (const RoutingPolicyName& policy : kRoutingPolicies) {
    const FleetResult first = run(config, policy.policy), second = run(config, policy.policy);
    EXPECT_EQ(first.trace, second.trace) << policy.name;
    EXPECT_EQ(first.ttft, second.ttft) << policy.name;
  }
  FleetConfig other = config;
  ++other.seed;
  EXPECT_NE(run(config, RoutingPolicy::kPrefix).trace, run(other, RoutingPolicy::kPrefix).trace);
}

// Failures are so rare that no request meets the three of them that would end it.
TEST(FleetSimulation, NoRequestIsLostWhenReplicasFail) {
  FleetConfig config = fleet(WorkloadKind::kChat, 40, 3, 60);
  config.crash_mtbf = 600;
  config.hang_mtbf = 600;
  for (const RoutingPolicyName& policy : kRoutingPolicies) {
    const FleetResult result = run(config, policy.policy);
    EXPECT_GT(result.crashes, 0) << policy.name;
    EXPECT_GT(result.hangs, 0) << policy.name;
    EXPECT_GT(result.replayed, 0) << policy.name;
  }
}

TEST(FleetSimulation, SharedBeginningsAreFoundByPrefix) {
  const FleetConfig config = fleet(WorkloadKind::kChat, 32, 4, 60);
  const FleetResult prefix = run(config, RoutingPolicy::kPrefix);
  const FleetResult turns = run(config, RoutingPolicy::kRoundRobin);
  const FleetResult least = run(config, RoutingPolicy::kLeast);
  const auto found = [](const FleetResult& r) {
    return static_cast<double>(r.cached_tokens) / static_cast<double>(r.prompt_tokens);
  };
  EXPECT_GE(found(prefix), 1.3 * found(turns));
  EXPECT_LE(p99(prefix), p99(least));
}

TEST(FleetSimulation, PrefixCostsNothingWhereNothingIsShared) {
  const FleetConfig config = fleet(WorkloadKind::kUnique, 32, 6, 40);
  EXPECT_LE(p99(run(config, RoutingPolicy::kPrefix)),
            1.05 * p99(run(config, RoutingPolicy::kLeast)));
}

TEST(FleetSimulation, PredictionsAvoidSlowReplicas) {
  FleetConfig config = fleet(WorkloadKind::kUnique, 24, 6, 40);
  config.slow_share = 0.25;
  const double least = p99(run(config, RoutingPolicy::kLeast));
  EXPECT_LT(least, p99(run(config, RoutingPolicy::kPowerOfTwo)));
  EXPECT_LT(least, p99(run(config, RoutingPolicy::kRoundRobin)));
}

// Several front ends each keep books of their own requests only, so the one best replica of each is
// often that of the others too, and what they see of its steps makes it look better, not worse.
TEST(FleetSimulation, SeveralFrontEndsHerdUnlessTwoAreDrawn) {
  FleetConfig config = fleet(WorkloadKind::kUnique, 32, 6, 20);
  for (const int front_ends : {4, 16})
    for (const double delay : {0.0, 0.05, 1.0}) {
      config.num_front_ends = front_ends;
      config.report_delay = delay;
      const double two = p99(run(config, RoutingPolicy::kPowerOfTwo));
      EXPECT_LT(two, kGoodTtft) << front_ends << ' ' << delay;
      EXPECT_LT(two, p99(run(config, RoutingPolicy::kLeast))) << front_ends << ' ' << delay;
    }
}

// What the only front end places is in its books at once: late reports alone make no herd.
TEST(FleetSimulation, LateReportsAloneDoNotHerd) {
  FleetConfig config = fleet(WorkloadKind::kUnique, 32, 6, 40);
  const double in_time = p99(run(config, RoutingPolicy::kLeast));
  config.report_delay = 1;
  const double late = p99(run(config, RoutingPolicy::kLeast));
  EXPECT_LE(late, 1.1 * in_time);
  EXPECT_LE(late, p99(run(config, RoutingPolicy::kPowerOfTwo)));
}

// A replica may die while the ends of its answers are on their way to their front ends.
TEST(FleetSimulation, LateReportsLoseNothingWhenReplicasFail) {
  FleetConfig config = fleet(WorkloadKind::kChat, 40, 3, 60);
  config.crash_mtbf = 600;
  config.hang_mtbf = 600;
  config.num_front_ends = 4;
  config.report_delay = 1;
  for (const RoutingPolicy policy : {RoutingPolicy::kPowerOfTwo, RoutingPolicy::kHash})
    EXPECT_GT(run(config, policy).replayed, 0);
}

// What the fast replicas leave out (preemption, blocks smaller than a name) does not matter as long
// as the fleet keeps up, be its caches large or small.
TEST(FleetSimulation, FastReplicasAreLikeExactOnes) {
  for (const WorkloadKind workload : {WorkloadKind::kChat, WorkloadKind::kUnique})
    for (const double rate_of_each : {4, 8})
      for (const int64_t kv_tokens : {100000, 400000}) {
        FleetConfig config = fleet(workload, 4, rate_of_each, 120);
        config.replica.kv_tokens = kv_tokens;
        const FleetResult fast = run(config, RoutingPolicy::kPrefix);
        config.exact = true;
        const FleetResult exact = run(config, RoutingPolicy::kPrefix);
        for (const double part : {0.5, 0.99})
          EXPECT_NEAR(percentile(fast.ttft, part) / percentile(exact.ttft, part), 1, 0.15)
              << part << " at " << rate_of_each << " a second, " << kv_tokens;
      }
}

TEST(FleetSimulation, AFleetThatIsAlwaysBrokenEndsAndSaysSo) {
  FleetConfig config = fleet(WorkloadKind::kUnique, 2, 1, 200);
  config.crash_mtbf = 0.01;
  const FleetResult result = FleetSimulation(config, RoutingPolicy::kLeast).run();
  EXPECT_EQ(result.completed + result.errors + result.unanswered, result.requests);
  EXPECT_GT(result.errors + result.unanswered, 0);
}

}  // namespace
}  // namespace ember
