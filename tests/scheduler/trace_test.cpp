// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/trace.h"

#include <gtest/gtest.h>

#include "ember/scheduler/scheduler.h"

namespace ember {
namespace {

// Two may run, a step has 8 tokens; every step takes a second.
struct Fixture {
  BlockPool pool;
  Scheduler scheduler;
  TimePoint now{std::chrono::seconds(1000)};
  std::vector<TokenOutput> events;

  explicit Fixture(int num_blocks = 40)
      : pool({.num_blocks = num_blocks, .block_size = 4}),
        scheduler({.max_num_batched_tokens = 8,
                   .max_num_seqs = 2,
                   .max_num_logit_rows = 2,
                   .max_model_len = 40},
                  pool) {}

  void submit(RequestId id, int prompt, int max_tokens) {
    Request r;
    r.id = id;
    for (int i = 0; i < prompt; ++i) r.prompt.push_back(static_cast<int32_t>(id) * 100 + i);
    r.max_tokens = max_tokens;
    ASSERT_TRUE(scheduler.submit(share(r), now).ok());
  }
  void step() {
    const Step& s = scheduler.schedule(now);
    scheduler.commit(s, std::vector<SampledToken>(static_cast<size_t>(s.num_logit_rows),
                                                  SampledToken{.token = 7}));
    scheduler.take_events(events);
    now += std::chrono::seconds(1);
  }
  SequenceTrace last(RequestId id) const {
    for (const TokenOutput& e : events)
      if (e.request_id == id && e.trace) return *e.trace;
    return {};
  }
};

TEST(Trace, FollowsASequenceThroughItsPhases) {
  Fixture f;
  f.submit(1, 20, 3);
  SequenceTrace t = f.scheduler.traces().at(0);
  EXPECT_EQ(t.id, 1u);
  EXPECT_EQ(t.phase, SequencePhase::kQueued);
  EXPECT_EQ(t.scheduled, TimePoint{});
  f.step();
  t = f.scheduler.traces().at(0);
  EXPECT_EQ(t.phase, SequencePhase::kPrefill);
  EXPECT_EQ(t.num_computed_tokens, 8);
  EXPECT_EQ(t.num_blocks, 2);
  f.step();
  f.step();  // the third chunk gives the first token
  t = f.scheduler.traces().at(0);
  EXPECT_EQ(t.phase, SequencePhase::kDecode);
  EXPECT_EQ(t.num_chunks, 3);
  EXPECT_EQ(t.num_output_tokens, 1);
  f.step();
  f.step();
  EXPECT_TRUE(f.scheduler.traces().empty());
  t = f.last(1);
  EXPECT_EQ(t.phase, SequencePhase::kEnded);
  EXPECT_EQ(t.num_steps, 5);
  EXPECT_EQ(t.num_chunks, 3);
  EXPECT_EQ(t.num_output_tokens, 3);
  EXPECT_EQ(t.first_decode - t.scheduled, std::chrono::seconds(3));
}

TEST(Trace, SaysWhatTheQueueWaitedFor) {
  Fixture f;
  for (RequestId id = 1; id <= 3; ++id) f.submit(id, 4, 5);
  f.submit(4, 4, 1);
  EXPECT_EQ(f.scheduler.traces().size(), 4u);
  while (f.scheduler.has_work()) f.step();
  EXPECT_EQ(f.last(1).num_running_before + f.last(1).num_waiting_before, 0);
  EXPECT_EQ(f.last(4).num_waiting_before, 3);
  EXPECT_EQ(f.last(3).num_steps_waited[static_cast<int>(WaitReason::kSlot)], 5);
  EXPECT_EQ(f.last(4).num_steps_waited[static_cast<int>(WaitReason::kSlot)], 0)
      << "it was never the first of those that had to wait";
}

TEST(Trace, SaysThatTheStepWasFull) {
  Fixture f;
  f.submit(1, 20, 1);
  f.submit(2, 4, 1);
  while (f.scheduler.has_work()) f.step();
  EXPECT_EQ(f.last(2).num_steps_waited[static_cast<int>(WaitReason::kStepTokens)], 2);
}

TEST(Trace, SaysThatTheCacheWasFullAndCountsPreemptions) {
  Fixture f(5);  // 20 tokens
  f.submit(1, 8, 10);
  f.submit(2, 8, 10);
  while (f.scheduler.has_work()) f.step();
  const SequenceTrace t = f.last(2);
  EXPECT_GE(t.num_preemptions, 1);
  EXPECT_GT(t.num_steps_waited[static_cast<int>(WaitReason::kBlocks)], 0);
  EXPECT_GT(t.num_chunks, 1) << "the prompt was computed again";
  EXPECT_EQ(f.last(1).num_preemptions, 0);
}

TEST(Trace, OfACancelledSequence) {
  Fixture f;
  f.submit(1, 4, 5);
  f.step();
  ASSERT_TRUE(f.scheduler.cancel(1));
  f.step();
  EXPECT_EQ(f.last(1).num_output_tokens, 1);
}

}  // namespace
}  // namespace ember
