// SPDX-License-Identifier: Apache-2.0
// What a simulated fleet asks of a replica.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ember/scheduler/step_cost.h"

namespace ember {

// What a step takes, and what fits.
struct ReplicaSpec {
  double step_seconds = 0, decode_token_seconds = 0, prefill_token_seconds = 0;
  int step_tokens = 0, max_num_seqs = 0;
  int64_t kv_tokens = 0;

  double seconds(const StepWork& work) const {
    return step_seconds + decode_token_seconds * work.decode_tokens +
           prefill_token_seconds * work.prefill_tokens;
  }
};

// A request to a replica. Its text is system prompt `system` for system_tokens and then that of
// conversation `id`; `names` are those of its prompt and of its answer to come.
struct Job {
  uint64_t id = 0;
  uint64_t system = 0;
  int system_tokens = 0;
  int prompt_tokens = 0, output_tokens = 0;
  std::vector<uint64_t> names;
};

// Each step ends before the next begins, and no job is submitted twice before it is done or lost.
class FleetReplica {
 public:
  struct Step {
    StepWork work;
    double seconds = 0;
  };
  struct FirstToken {
    uint64_t id = 0;
    int num_cached = 0;
  };
  struct Ended {
    std::vector<FirstToken> first_tokens;
    std::vector<uint64_t> done;
  };
  struct Lost {
    uint64_t id = 0;
    int num_output = 0;  // tokens that it had given
  };

  virtual ~FleetReplica() = default;
  virtual void submit(Job job) = 0;
  // What the next step computes; nullopt: nothing.
  virtual std::optional<Step> begin_step() = 0;
  // Valid until the next call.
  virtual const Ended& end_step() = 0;
  // Forgets its requests and its cache, and returns what it had, in no particular order.
  virtual std::vector<Lost> fail() = 0;
};

}  // namespace ember
