// SPDX-License-Identifier: Apache-2.0
// What a simulation is built from: choices and small configurations.
#pragma once

#include <fmt/format.h>

#include <string>

#include "scheduler/fake_model.h"

namespace ember::test {

// Where the choices come from: a generator or a fuzzer's bytes.
class Choices {
 public:
  virtual ~Choices() = default;
  virtual uint32_t next() = 0;
  int below(int n) { return static_cast<int>(next() % static_cast<uint32_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool one_in(int n) { return below(n) == 0; }
};

class SeededChoices final : public Choices {
 public:
  explicit SeededChoices(uint64_t seed) : state_(seed) {}
  uint32_t next() override { return static_cast<uint32_t>(mix(++state_, 77) >> 20); }

 private:
  uint64_t state_;
};

struct Setup {
  SchedulerConfig scheduler;
  BlockPoolConfig pool;

  std::string text() const {
    return fmt::format(
        "blocks {}x{} cache {} key_bits {} tokens {} seqs {} rows {} len {} queue {} depth {} "
        "priority {} step time {} drafts {}",
        pool.num_blocks, pool.block_size, pool.enable_prefix_caching, pool.key_bits,
        scheduler.max_num_batched_tokens, scheduler.max_num_seqs, scheduler.max_num_logit_rows,
        scheduler.max_model_len, scheduler.max_num_queued_reqs, scheduler.max_in_flight,
        scheduler.policy == SchedulingPolicy::kPriority, scheduler.step_time_target.count(),
        scheduler.num_speculative_tokens);
  }
};

inline Setup any_setup(Choices& c) {
  Setup s;
  s.pool = {.num_blocks = c.between(3, 20),
            .block_size = c.between(1, 4),
            .enable_prefix_caching = !c.one_in(4),
            .key_bits = c.one_in(3) ? 4 : 128};
  s.scheduler.max_num_seqs = c.between(1, 6);
  s.scheduler.max_num_batched_tokens = s.scheduler.max_num_seqs + c.between(0, 12);
  s.scheduler.max_num_logit_rows = s.scheduler.max_num_seqs + c.between(0, 3);
  s.scheduler.max_model_len = c.between(6, 24);
  s.scheduler.max_num_queued_reqs = c.between(0, 6);
  s.scheduler.max_in_flight = c.between(1, 2);
  s.scheduler.policy = c.one_in(2) ? SchedulingPolicy::kPriority : SchedulingPolicy::kFcfs;
  s.scheduler.step_time_target = std::chrono::milliseconds(c.one_in(2) ? 0 : c.between(1, 200));
  s.scheduler.num_speculative_tokens = c.one_in(2) ? 0 : c.between(1, 8);
  s.scheduler.ageing = std::chrono::seconds(c.between(1, 40));
  return s;
}

}  // namespace ember::test
