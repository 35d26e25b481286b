// SPDX-License-Identifier: Apache-2.0
// A replica of a simulated fleet that schedules as the engine does.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ember/cache/block_pool.h"
#include "ember/scheduler/scheduler.h"
#include "fleet_replica.h"

namespace ember {

// The real Scheduler and BlockPool, with real tokens, beside a device that takes spec.seconds() for
// a step and samples the text of the job. Several times as slow as ReplicaModel, which it judges.
class ExactReplica : public FleetReplica {
 public:
  // speed: 0.5 takes twice as long for everything.
  ExactReplica(const ReplicaSpec& spec, double speed);

  void submit(Job job) override;
  std::optional<Step> begin_step() override;
  const Ended& end_step() override;
  std::vector<Lost> fail() override;

 private:
  struct Running {
    Job job;
    int num_output = 0;
  };

  void restart();
  void take_events();

  const ReplicaSpec spec_;
  const double speed_;
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unordered_map<uint64_t, Running> jobs_;
  const ember::Step* step_ = nullptr;  // that runs
  std::vector<TokenOutput> events_;
  Ended ended_;
};

}  // namespace ember
