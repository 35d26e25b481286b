// SPDX-License-Identifier: Apache-2.0
#include <ostream>
#include <string>

#include "check_settings.h"
#include "commands.h"
#include "fleet/fleet_report.h"
#include "fleet/simulation.h"

namespace ember {

namespace {

WorkloadKind workload_of(const std::string& name) {
  if (name == "unique") return WorkloadKind::kUnique;
  return name == "bursts" ? WorkloadKind::kBursts : WorkloadKind::kChat;
}

FleetConfig config_of(const BenchFleetSettings& s) {
  return {.num_replicas = s.replicas,
          .rate = s.request_rate,
          .duration = s.duration,
          .workload = workload_of(s.workload),
          .replica = {.step_seconds = s.step_ms / 1e3,
                      .decode_token_seconds = s.decode_token_ms / 1e3,
                      .prefill_token_seconds = s.prefill_token_ms / 1e3,
                      .step_tokens = s.max_num_batched_tokens,
                      .max_num_seqs = s.max_num_seqs,
                      .kv_tokens = s.kv_cache_tokens},
          .exact = s.replica_model == "exact",
          .num_front_ends = s.front_ends,
          .report_delay = s.report_delay_ms / 1e3,
          .slow_share = s.slow_share,
          .crash_mtbf = s.crash_mtbf,
          .hang_mtbf = s.hang_mtbf,
          .seed = s.seed};
}

}  // namespace

ExitCode bench_fleet(const Settings& settings, std::ostream& out) {
  const BenchFleetSettings& s = settings.bench_fleet;
  check_bench_fleet_settings(s);
  FleetReport report(s.duration);
  bool lost = false;
  for (const RoutingPolicyName& policy : kRoutingPolicies) {
    if (s.policy != "all" && s.policy != policy.name) continue;
    const FleetResult result = FleetSimulation(config_of(s), policy.policy).run();
    lost = lost || result.completed + result.errors + result.unanswered != result.requests;
    report.add(policy.name, result);
  }
  out << (s.json ? report.json().dump() + "\n" : report.table());
  return lost ? ExitCode::kEngineFailed : ExitCode::kOk;
}

}  // namespace ember
