// SPDX-License-Identifier: Apache-2.0
// A replica of a simulated fleet: a queue, a running set and a cache of prompt beginnings.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "ember/routing/name_table.h"
#include "ember/routing/prefix_index.h"
#include "fleet_replica.h"

namespace ember {

// Steps as the engine makes them: running answers first, then prompts in their order, as far as a
// step's tokens go. A waiting request runs when a place and the memory of its whole text are free,
// so nobody is preempted; what running ones share is there once.
class ReplicaModel : public FleetReplica {
 public:
  // speed: 0.5 takes twice as long for everything.
  ReplicaModel(const ReplicaSpec& spec, double speed) : spec_(spec), speed_(speed), cache_(1) {}

  void submit(Job job) override { waiting_.push_back(std::move(job)); }
  std::optional<Step> begin_step() override;
  // Its `done` is in the order of their first tokens.
  const Ended& end_step() override;
  std::vector<Lost> fail() override;

 private:
  struct Running {
    Job job;
    int num_cached = 0, to_compute = 0;
    size_t num_held = 0;     // names that it holds
    int64_t first_step = 0;  // the one that gave its first token
    int64_t last_step() const { return first_step + job.output_tokens - 1; }
  };
  struct EndsLater {
    bool operator()(const Running& a, const Running& b) const {
      return a.last_step() != b.last_step() ? a.last_step() > b.last_step() : a.job.id > b.job.id;
    }
  };

  void admit();
  bool fits(const Job& job, int num_cached) const;
  int find_cached(const Job& job);
  // Its first so many tokens are computed: it shares their names with whoever asks.
  void hold(Running& r, int num_tokens);
  void publish(const Job& job, size_t num_names);
  void finish(const Running& r);

  const ReplicaSpec spec_;
  const double speed_;
  PrefixIndex cache_;
  std::deque<Job> waiting_;
  std::deque<Running> prompts_;
  std::vector<Running> answers_;  // a heap: the one that ends first is in front
  // The KV cache of running requests: names and by how many each is held, and all other tokens.
  NameTable<int> held_;
  int64_t own_ = 0;
  int64_t num_steps_ = 0;
  int budget_ = 0;  // prompt tokens of the step that runs
  Ended ended_;
};

}  // namespace ember
