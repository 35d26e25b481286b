// SPDX-License-Identifier: Apache-2.0
#include "fleet/exact_replica.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

constexpr ReplicaSpec kSpec = {.step_seconds = 0.008,
                               .decode_token_seconds = 0.0001,
                               .prefill_token_seconds = 0.00005,
                               .step_tokens = 1024,
                               .max_num_seqs = 4,
                               .kv_tokens = 40000};

Job job(uint64_t id, int prompt, int output, uint64_t system, int system_tokens) {
  return {.id = id,
          .system = system,
          .system_tokens = system_tokens,
          .prompt_tokens = prompt,
          .output_tokens = output};
}

TEST(ExactReplica, CutsPromptsAndDecodesBesideThem) {
  ExactReplica replica(kSpec, 0.5);
  EXPECT_FALSE(replica.begin_step());
  replica.submit(job(1, 1500, 2, 0, 0));
  const auto first = replica.begin_step();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->work.prefill_tokens, 1024);
  EXPECT_NEAR(first->seconds, 2 * (0.008 + 1024 * 0.00005), 1e-12);
  EXPECT_TRUE(replica.end_step().first_tokens.empty());
  replica.begin_step();
  EXPECT_EQ(replica.end_step().first_tokens.size(), 1u);
  const auto third = replica.begin_step();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->work.decode_tokens, 1);
  EXPECT_EQ(replica.end_step().done, std::vector<uint64_t>{1});
  EXPECT_FALSE(replica.begin_step());
}

TEST(ExactReplica, FindsSystemPromptsAndEarlierTurnsUntilItFails) {
  ExactReplica replica(kSpec, 1);
  const auto cached = [&](const Job& j) {
    replica.submit(j);
    replica.begin_step();
    const auto ended = replica.end_step();
    EXPECT_EQ(ended.done, std::vector<uint64_t>{j.id});
    return ended.first_tokens.front().num_cached;
  };
  EXPECT_EQ(cached(job(1, 700, 1, 5, 600)), 0);
  EXPECT_EQ(cached(job(2, 700, 1, 5, 600)), 592) << "whole blocks of the system prompt";
  EXPECT_EQ(cached(job(1, 900, 1, 5, 600)), 688) << "the turn before";
  EXPECT_EQ(cached(job(3, 700, 1, 6, 600)), 0);
  replica.submit(job(4, 100, 5, 0, 0));
  replica.begin_step();
  replica.end_step();
  const auto lost = replica.fail();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].id, 4u);
  EXPECT_EQ(lost[0].num_output, 1);
  EXPECT_FALSE(replica.begin_step());
  EXPECT_EQ(cached(job(1, 900, 1, 5, 600)), 0);
}

}  // namespace
}  // namespace ember
