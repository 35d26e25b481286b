// SPDX-License-Identifier: Apache-2.0
// Each invariant that src/scheduler/README.md names is noticed when it is broken.
#include <gtest/gtest.h>

#include "ember/scheduler/scheduler.h"

namespace ember {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(1000)};

class Invariants : public testing::Test {
 protected:
  Invariants() {
    for (RequestId id = 1; id <= 3; ++id) {
      Request r;
      r.id = id;
      r.prompt = {1, 2, 3, 4, static_cast<int32_t>(id)};
      r.max_tokens = 9;
      EXPECT_TRUE(scheduler.submit(share(r), kNow).ok());
    }
    step = &scheduler.schedule(kNow);
    scheduler.check_invariants();
  }

  // Of a sequence that runs.
  Sequence& seq() { return *step->seqs.at(0).seq; }

  BlockPool pool{{.num_blocks = 8, .block_size = 2}};
  Scheduler scheduler{{.max_num_batched_tokens = 16,
                       .max_num_seqs = 2,
                       .max_num_logit_rows = 8,
                       .max_model_len = 20},
                      pool};
  const Step* step = nullptr;
};

TEST_F(Invariants, OnePlace) {
  seq().state = SequenceState::kFinished;
  EXPECT_DEATH(scheduler.check_invariants(), "one-place");
}

TEST_F(Invariants, WaitingOwnsNothing) {
  // The third waits: it becomes known to the test when it runs, and waits again when it must.
  scheduler.cancel(1);
  scheduler.commit(*step, std::vector<SampledToken>(2, SampledToken{.token = 7}));
  Sequence* youngest = nullptr;
  for (int i = 0; i < 8 && (youngest == nullptr || youngest->num_preemptions == 0); ++i) {
    const Step& s = scheduler.schedule(kNow);
    for (const ScheduledSequence& part : s.seqs)
      if (part.seq->request->id == 3) youngest = part.seq;
    scheduler.commit(s, std::vector<SampledToken>(static_cast<size_t>(s.num_logit_rows),
                                                  SampledToken{.token = 7}));
    scheduler.check_invariants();
  }
  ASSERT_NE(youngest, nullptr);
  ASSERT_EQ(youngest->state, SequenceState::kWaiting);
  youngest->num_computed_tokens = 1;
  EXPECT_DEATH(scheduler.check_invariants(), "waiting-owns-nothing");
}

TEST_F(Invariants, ComputedIsKnown) {
  seq().num_computed_tokens = 7;
  EXPECT_DEATH(scheduler.check_invariants(), "computed-is-known");
}

TEST_F(Invariants, WithinLimits) {
  seq().in_flight = 2;
  EXPECT_DEATH(scheduler.check_invariants(), "within-limits");
}

TEST_F(Invariants, BlocksCoverComputed) {
  seq().num_computed_tokens = 4;
  EXPECT_DEATH(scheduler.check_invariants(), "blocks-cover-computed");
}

TEST_F(Invariants, PublishedIsCommitted) {
  seq().prefixes.resize(3);
  EXPECT_DEATH(scheduler.check_invariants(), "published-is-committed");
}

TEST_F(Invariants, DraftsRunAlone) {
  seq().num_pending_drafts = 1;
  EXPECT_DEATH(scheduler.check_invariants(), "drafts-run-alone");
}

TEST_F(Invariants, Ordered) {
  seq().arrival = 9;
  EXPECT_DEATH(scheduler.check_invariants(), "ordered");
}

TEST_F(Invariants, FinishedIsInFlight) {
  Sequence& ended = seq();
  scheduler.cancel(ended.request->id);
  scheduler.check_invariants();
  ended.in_flight = 0;
  EXPECT_DEATH(scheduler.check_invariants(), "finished-is-in-flight");
}

TEST_F(Invariants, TheBlockPoolsAreCheckedToo) {
  seq().block_table[0] = seq().block_table[1];
  EXPECT_DEATH(scheduler.check_invariants(), "refs-counted");
}

}  // namespace
}  // namespace ember
