// SPDX-License-Identifier: Apache-2.0
// Every interleaving of three requests, steps and cancellations over four blocks, by breadth-first
// search over distinct states.
#include <gtest/gtest.h>

#include <cstdio>
#include <unordered_set>

#include "scheduler/simulation.h"

namespace ember::test {
namespace {

enum Event : uint8_t { kSubmit, kSchedule, kCommit, kCancel1, kCancel2, kCancel3 };

constexpr int kNumEvents = 6;
using Path = std::vector<uint8_t>;

Request request(RequestId id) {
  Request r;
  r.id = id;
  r.prompt.assign(id == 3 ? 3 : 5, 1);  // beginnings that are shared
  r.max_tokens = id == 2 ? 4 : 3;
  r.sampling.seed = id;
  if (id == 3) r.prompt_logprobs = true;
  if (id == 1) r.stop_token_ids = {0};
  return r;
}

bool apply(Simulation& s, uint8_t event, RequestId& submitted) {
  if (event == kSubmit) {
    if (submitted == 3) return false;
    s.submit(request(++submitted));
    return true;
  }
  if (event == kSchedule) {
    if (!s.can_schedule()) return false;
    s.schedule();
    return true;
  }
  if (event == kCommit) {
    if (!s.can_commit()) return false;
    s.commit();
    return true;
  }
  const auto id = static_cast<RequestId>(event - kCancel1 + 1);
  if (!s.is_live(id)) return false;
  s.cancel(id);
  return true;
}

// The number of states. Each is reached by replaying its path, and from each everything left must
// come to its end.
size_t explore(const Setup& setup) {
  std::unordered_set<uint64_t> seen;
  std::vector<Path> frontier{{}}, next;
  for (; !frontier.empty(); frontier.swap(next), next.clear()) {
    for (const Path& path : frontier) {
      for (uint8_t event = 0; event < kNumEvents; ++event) {
        Simulation s(setup);
        RequestId submitted = 0;
        try {
          for (const uint8_t e : path) apply(s, e, submitted);
          if (!apply(s, event, submitted) || !seen.insert(mix(s.digest(), submitted)).second)
            continue;
          next.push_back(path);
          next.back().push_back(event);
          s.drain();
        } catch (const std::exception& e) {
          std::string trace;
          for (const std::string& line : s.trace()) trace += "  " + line + "\n";
          ADD_FAILURE() << e.what() << "\n" << setup.text() << "\n" << trace;
          return 0;
        }
      }
    }
  }
  return seen.size();
}

Setup small_setup(int depth) {
  Setup setup;
  setup.pool = {.num_blocks = 4, .block_size = 2};
  setup.scheduler = {.max_num_batched_tokens = 4,
                     .max_num_seqs = 3,
                     .max_num_logit_rows = 3,
                     .max_model_len = 12,
                     .max_in_flight = depth};
  return setup;
}

class Exhaustive : public testing::TestWithParam<int> {};

TEST_P(Exhaustive, ThreeRequestsOverFourBlocks) {
  const size_t states = explore(small_setup(GetParam()));
  std::printf("%zu states with %d steps in flight\n", states, GetParam());
  EXPECT_GT(states, 300u);
}

INSTANTIATE_TEST_SUITE_P(Depth, Exhaustive, testing::Values(1, 2));

}  // namespace
}  // namespace ember::test
