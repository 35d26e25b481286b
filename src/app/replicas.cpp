// SPDX-License-Identifier: Apache-2.0
#include "replicas.h"

#include <fmt/format.h>

#include <algorithm>

#include "device.h"
#include "ember/base/cpus.h"
#include "ember/base/start_error.h"

namespace ember {

void check_replica_device(const ReplicaSettings& replicas, const DeviceSettings& device) {
  if (replicas.data_parallel_size > 1 && wants_gpu(device))
    throw StartError(ExitCode::kConfig,
                     fmt::format("--data-parallel-size {}: one GPU has one replica; start a server "
                                 "for each GPU, or give --device cpu",
                                 replicas.data_parallel_size));
}

ReplicaSetOptions replica_options(const Settings& settings) {
  const ReplicaSettings& s = settings.replicas;
  const auto policy =
      std::ranges::find(kRoutingPolicies, s.routing_policy, &RoutingPolicyName::name);
  const double stall = s.replica_stall_timeout;
  return {.router = {.policy = policy->policy,
                     .stall_timeout = stall > 0 ? std::chrono::duration_cast<Duration>(
                                                      std::chrono::duration<double>(stall))
                                                : Duration::max()},
          .seed = settings.scheduler.seed,
          .max_replays = s.max_replays};
}

EngineSettings replica_settings(const EngineSettings& whole, int num_replicas, int num_others) {
  EngineSettings one = whole;
  const int threads = whole.device.cpu_threads > 0 ? whole.device.cpu_threads : usable_cpus();
  one.device.cpu_threads = std::max(1, threads / num_replicas);
  // Of what is left when the others have taken theirs, as much as they have.
  const double all = whole.device.memory_utilization.value_or(kHostUtilization);
  one.device.memory_utilization = all / (num_replicas - num_others * all);
  one.scheduler.max_num_queued_reqs += (num_replicas - 1) * whole.scheduler.max_num_seqs;
  return one;
}

SchedulerSettings joint_settings(const SchedulerSettings& one, int num_replicas) {
  SchedulerSettings all = one;
  all.max_num_seqs *= num_replicas;
  return all;
}

}  // namespace ember
