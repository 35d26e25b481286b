// SPDX-License-Identifier: Apache-2.0
// Several tokens of one sequence in one step: proposed, verified, accepted in part, and rolled
// back.
#include <gtest/gtest.h>

#include <deque>

#include "ember/scheduler/scheduler.h"
#include "scheduler/fake_model.h"

namespace ember::test {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(1000)};
using Ids = std::vector<int32_t>;

// A scheduler whose model says 100, 101, 102 ... in every answer.
class Drafts : public testing::Test {
 protected:
  static constexpr int kBlock = 4;

  void submit(int prompt, int max_tokens) {
    Request r;
    r.id = 1;
    for (int i = 0; i < prompt; ++i) r.prompt.push_back(i);
    r.max_tokens = max_tokens;
    r.stop_token_ids = stops;
    ASSERT_TRUE(scheduler.submit(share(r), kNow).ok());
  }

  // One step of the only sequence.
  void step() {
    const Step& s = scheduler.schedule(kNow);
    scheduler.check_invariants();
    EXPECT_EQ(s.seqs.size(), 1u);
    part = s.seqs.at(0);
    std::vector<SampledToken> rows;
    for (int row = 0; row < part.num_logit_rows; ++row) {
      const int at = part.first_row_position + row + 1 - part.seq->num_prompt_tokens();
      rows.push_back({.token = 100 + at, .logprob = static_cast<float>(at)});
    }
    scheduler.commit(s, rows);
    scheduler.check_invariants();
    scheduler.take_events(events);
  }

  Ids answer() const {
    Ids ids;
    for (const TokenOutput& event : events)
      if (event.token >= 0) ids.push_back(event.token);
    return ids;
  }
  int num_published() const {
    int n = 0;
    for (int32_t block = 0; block < pool.num_blocks(); ++block) n += pool.is_published(block);
    return n;
  }

  BlockPool pool{{.num_blocks = 8, .block_size = kBlock}};
  Scheduler scheduler{{.max_num_batched_tokens = 8,
                       .max_num_seqs = 6,
                       .max_num_logit_rows = 6,
                       .max_model_len = 40},
                      pool};
  std::vector<TokenOutput> events;
  ScheduledSequence part;
  Ids stops;
};

TEST_F(Drafts, AStepGivesAllAcceptedTokensAndOneMore) {
  submit(3, 20);
  step();
  scheduler.propose(1, Ids{101, 102, 103});
  step();
  EXPECT_EQ(part.num_tokens, 4);
  EXPECT_EQ(part.num_draft_tokens, 3);
  EXPECT_EQ(part.num_sampled, 4);
  EXPECT_EQ(part.first_row_position, 3);
  EXPECT_EQ(answer(), (Ids{100, 101, 102, 103, 104}));
  for (const TokenOutput& event : events)
    EXPECT_EQ(event.logprob, static_cast<float>(event.token - 100)) << "each has its row's";
  step();
  EXPECT_EQ(part.first_position, 7) << "it goes on behind the accepted tokens";
  EXPECT_EQ(part.num_tokens, 1) << "a proposal is for one step";
  EXPECT_EQ(answer().back(), 105);
}

TEST_F(Drafts, BlocksOfRejectedTokensAreGivenBackAndNeverPublished) {
  submit(3, 20);
  step();
  EXPECT_EQ(num_published(), 0);
  // Positions 3 to 8: the block of 4 to 7 would be full.
  scheduler.propose(1, Ids{101, 7, 102, 103, 104});
  step();
  EXPECT_EQ(part.num_tokens, 6);
  EXPECT_EQ(answer(), (Ids{100, 101, 102}))
      << "the model's own token stands where a draft was wrong";
  EXPECT_EQ(num_published(), 1) << "positions 0 to 3";
  EXPECT_EQ(part.seq->num_computed_tokens, 5);
  EXPECT_EQ(part.seq->block_table.size(), 2u);
  EXPECT_EQ(pool.num_free(), 6);
  while (scheduler.has_work()) {
    step();
    ASSERT_LE(num_published() * kBlock, 3 + static_cast<int>(answer().size()));
  }
  Ids expected;
  for (int i = 0; i < 20; ++i) expected.push_back(100 + i);
  EXPECT_EQ(answer(), expected);

  // Whoever comes next finds what was said, not what was proposed.
  Request again;
  again.id = 2;
  again.prompt = {0, 1, 2};
  again.prompt.insert(again.prompt.end(), expected.begin(), expected.end());
  ASSERT_TRUE(scheduler.submit(share(again), kNow).ok());
  EXPECT_EQ(scheduler.schedule(kNow).seqs.at(0).first_position, 20);
}

TEST_F(Drafts, NothingFollowsAStopTokenThatWasProposed) {
  stops = {102};
  submit(3, 20);
  step();
  scheduler.propose(1, Ids{101, 102, 103, 104});
  step();
  EXPECT_EQ(answer(), (Ids{100, 101, 102}));
  EXPECT_EQ(events.back().finish, FinishReason::kStop);
  EXPECT_EQ(events.back().token, 102);
  EXPECT_EQ(num_published(), 1) << "positions 0 to 3: that of the stop token has no more behind it";
  EXPECT_EQ(pool.num_available(), pool.num_blocks());
}

TEST_F(Drafts, AnInvalidRowEndsTheAnswerBehindWhatWasAccepted) {
  submit(3, 20);
  step();
  scheduler.propose(1, Ids{101, 102});
  const Step& s = scheduler.schedule(kNow);
  scheduler.commit(s, std::vector<SampledToken>{{.token = 101}, {.token = -1}, {.token = 103}});
  scheduler.check_invariants();
  scheduler.take_events(events);
  EXPECT_EQ(answer(), (Ids{100, 101}));
  EXPECT_EQ(events.back().finish, FinishReason::kNumericalError);
}

TEST_F(Drafts, TakeOnlyWhatThereIsRoomForAnyway) {
  submit(3, 4);
  step();
  scheduler.propose(1, Ids{101, 102, 103, 104, 105});
  step();
  EXPECT_EQ(part.num_draft_tokens, 2)
      << "four tokens are wanted, one is there, one comes by itself";
  EXPECT_EQ(answer().size(), 4u);
  EXPECT_EQ(events.back().finish, FinishReason::kLength);

  submit(3, 20);
  step();
  scheduler.propose(1, Ids{101, 102, 103, 104, 105, 106, 107});
  step();
  EXPECT_EQ(part.num_draft_tokens, 5) << "six rows of logits";
}

TEST_F(Drafts, PreemptNobody) {
  Request other;
  other.id = 2;
  other.prompt.assign(25, 9);  // seven of the eight blocks
  other.max_tokens = 3;
  ASSERT_TRUE(scheduler.submit(share(other), kNow).ok());
  const auto run = [&]() -> const Step& {
    const Step& s = scheduler.schedule(kNow);
    scheduler.commit(s, std::vector<SampledToken>(static_cast<size_t>(s.num_logit_rows),
                                                  SampledToken{.token = 5}));
    scheduler.check_invariants();
    return s;
  };
  for (int i = 0; i < 4; ++i) run();
  submit(3, 20);
  ASSERT_EQ(run().seqs.size(), 2u);
  ASSERT_EQ(pool.num_available(), 0);
  scheduler.propose(1, Ids{5, 5, 5});
  const Step& s = run();
  ASSERT_EQ(s.seqs.size(), 2u);
  EXPECT_EQ(s.seqs[1].num_tokens, 1) << "its block is full and no other is free";
  EXPECT_EQ(s.seqs[1].num_draft_tokens, 0);
  EXPECT_EQ(scheduler.stats().num_preemptions, 0u);
}

TEST_F(Drafts, LeaveTheBlocksThatOthersOfTheStepNeed) {
  submit(3, 20);  // goes before the other one
  Request other;
  other.id = 2;
  other.prompt.assign(24, 9);  // six blocks: its next token begins the eighth
  other.max_tokens = 3;
  ASSERT_TRUE(scheduler.submit(share(other), kNow).ok());
  const auto run = [&]() -> const Step& {
    const Step& s = scheduler.schedule(kNow);
    scheduler.commit(s, std::vector<SampledToken>(static_cast<size_t>(s.num_logit_rows),
                                                  SampledToken{.token = 5}));
    scheduler.check_invariants();
    return s;
  };
  while (scheduler.stats().num_used_blocks < 7) run();
  ASSERT_EQ(pool.num_available(), 1);
  scheduler.propose(1, Ids{5, 5, 5, 5});
  const Step& s = run();
  ASSERT_EQ(s.seqs.size(), 2u);
  EXPECT_EQ(scheduler.stats().num_preemptions, 0u);
}

TEST_F(Drafts, AreForgottenWhenTheSequenceGainsATokenWithoutThem) {
  BlockPool small({.num_blocks = 8, .block_size = kBlock});
  Scheduler ahead({.max_num_batched_tokens = 8,
                   .max_num_seqs = 4,
                   .max_num_logit_rows = 6,
                   .max_model_len = 40,
                   .max_in_flight = 2},
                  small);
  Request r;
  r.id = 1;
  r.prompt = {1, 2, 3};
  r.max_tokens = 20;
  ASSERT_TRUE(ahead.submit(share(r), kNow).ok());
  const Step& first = ahead.schedule(kNow);
  ahead.propose(1, Ids{101});
  const Step& second = ahead.schedule(kNow);
  ASSERT_EQ(second.seqs.size(), 1u);
  EXPECT_EQ(second.seqs[0].num_draft_tokens, 0) << "its place is not known yet";
  ahead.commit(first, std::vector<SampledToken>{{.token = 100}});
  ahead.commit(second, std::vector<SampledToken>{{.token = 101}});
  const Step& third = ahead.schedule(kNow);
  EXPECT_EQ(third.seqs.at(0).num_tokens, 1);
  ahead.commit(third, std::vector<SampledToken>{{.token = 102}});

  ahead.propose(1, Ids{103, 104});
  const Step& verified = ahead.schedule(kNow);
  EXPECT_EQ(verified.seqs.at(0).num_draft_tokens, 2);
  EXPECT_TRUE(ahead.schedule(kNow).seqs.empty()) << "where it goes on is not known yet";
  ahead.check_invariants();
  ahead.commit(verified, std::vector<SampledToken>{{.token = 103}, {.token = 7}, {.token = 105}});
  ahead.check_invariants();
  EXPECT_EQ(ahead.schedule(kNow).seqs.at(0).first_position, 7);
}

TEST_F(Drafts, EachTakesThePlaceOfASequenceThatNobodyWaitsFor) {
  submit(3, 20);
  step();
  for (RequestId id = 2; id <= 4; ++id) {
    Request other;
    other.id = id;
    other.prompt = {static_cast<int32_t>(id)};
    other.max_tokens = 2;
    ASSERT_TRUE(scheduler.submit(share(other), kNow).ok());
  }
  scheduler.propose(1, Ids{101, 102, 103, 104});
  const Step& s = scheduler.schedule(kNow);
  EXPECT_EQ(s.seqs.size(), 4u);
  EXPECT_EQ(s.seqs[0].num_draft_tokens, 2) << "six places, one for each of four";
}

// A model that says 100, 101, 102, 100, 101, 102 ... after a prompt that says so too.
TEST(NgramSpeculation, AddsToStepsWhatWasSaidBeforeAndPays) {
  BlockPool pool({.num_blocks = 64, .block_size = 4});
  for (const int in_flight : {1, 2}) {
    Scheduler scheduler({.max_num_batched_tokens = 16,
                         .max_num_seqs = 8,
                         .max_num_logit_rows = 8,
                         .max_model_len = 200,
                         .max_in_flight = in_flight,
                         .num_speculative_tokens = 7},
                        pool);
    Request r;
    r.id = 1;
    r.prompt = {100, 101, 102, 100, 101, 102, 100};
    r.max_tokens = 60;
    ASSERT_TRUE(scheduler.submit(share(r), kNow).ok());
    Ids answer;
    int num_steps = 0;
    std::vector<TokenOutput> events;
    for (; scheduler.has_work(); ++num_steps) {
      const Step& s = scheduler.schedule(kNow);
      ASSERT_EQ(s.seqs.size(), 1u);
      std::vector<SampledToken> rows;
      for (int row = 0; row < s.num_logit_rows; ++row)
        rows.push_back({.token = 100 + (s.seqs[0].first_row_position + row + 1) % 3});
      // Reading weights costs 100 ms, a token 1 ms.
      scheduler.commit(s, rows, std::chrono::milliseconds(100 + s.num_tokens));
      scheduler.check_invariants();
    }
    scheduler.take_events(events);
    for (const TokenOutput& event : events)
      if (event.token >= 0) answer.push_back(event.token);
    Ids expected;
    for (int i = 0; i < 60; ++i) expected.push_back(100 + (7 + i) % 3);
    EXPECT_EQ(answer, expected);
    EXPECT_LT(num_steps, 20);
    const SchedulerStats stats = scheduler.stats();
    EXPECT_EQ(stats.num_accepted_tokens, stats.num_draft_tokens);
    EXPECT_EQ(stats.num_accepted_tokens, static_cast<uint64_t>(60 - num_steps));
    EXPECT_GT(stats.num_drafts, 5u);
  }
}

// Of two sequences that say the same one is constrained. It gets no drafts and runs ahead; the
// other one waits for its tokens, and is in steps that sample after a commit too.
// With two steps in flight, beside a sequence with drafts: another one, which came in the middle of
// a step ahead, or a constrained one.
TEST(NgramSpeculation, StepsHaveEverybodyThatDecodes) {
  for (const bool constrained : {false, true}) {
    BlockPool pool({.num_blocks = 64, .block_size = 4});
    Scheduler scheduler({.max_num_batched_tokens = 10,
                         .max_num_seqs = 9,
                         .max_num_logit_rows = 9,
                         .max_model_len = 200,
                         .max_in_flight = 2,
                         .num_speculative_tokens = 3},
                        pool);
    const auto submit = [&](RequestId id, int prompt, bool with_constraint) {
      Request r;
      r.id = id;
      for (int i = 0; i < prompt; ++i) r.prompt.push_back(100 + i % 3);
      r.max_tokens = 60;
      if (with_constraint) r.constraint = std::make_shared<WitnessSource>();
      ASSERT_TRUE(scheduler.submit(share(std::move(r)), kNow).ok());
    };
    submit(1, 7, false);
    int num_steps = 0, num_halves = 0, num_drafted = 0;
    std::deque<const Step*> in_flight;
    while (scheduler.has_work()) {
      if (num_steps == 4) submit(2, 31, constrained);  // four chunks beside the other's tokens
      const Step* s = in_flight.size() < 2 ? &scheduler.schedule(kNow) : nullptr;
      if (s != nullptr && !s->seqs.empty()) {
        ++num_steps;
        const bool both_decode =
            scheduler.stats().num_running == 2 &&
            std::ranges::all_of(s->seqs, [](const auto& part) { return part.seq->decodes(); });
        num_halves += both_decode && s->seqs.size() == 1 ? 1 : 0;
        for (const ScheduledSequence& part : s->seqs) num_drafted += part.num_draft_tokens;
        in_flight.push_back(s);
        if (in_flight.size() < 2) continue;
      }
      const Step& oldest = *in_flight.front();
      in_flight.pop_front();
      std::vector<SampledToken> rows;
      for (const ScheduledSequence& part : oldest.seqs)
        for (int row = 0; row < part.num_logit_rows; ++row)
          rows.push_back({.token = 100 + (part.first_row_position + row + 1) % 3});
      scheduler.commit(oldest, rows, std::chrono::milliseconds(100 + oldest.num_tokens));
      scheduler.check_invariants();
    }
    EXPECT_LE(num_halves, 1) << "the newcomer's first step may be its own";
    EXPECT_GT(num_drafted, 20);
    std::vector<TokenOutput> events;
    scheduler.take_events(events);
    Ids answers[2];
    for (const TokenOutput& event : events)
      if (event.token >= 0) answers[event.request_id - 1].push_back(event.token);
    for (int i = 0; i < 60; ++i) {
      ASSERT_EQ(answers[0].at(static_cast<size_t>(i)), 100 + (7 + i) % 3);
      ASSERT_EQ(answers[1].at(static_cast<size_t>(i)), 100 + (31 + i) % 3);
    }
  }
}

TEST(NgramSpeculation, AFullServerRunsAheadAsWithoutIt) {
  BlockPool pool({.num_blocks = 64, .block_size = 4});
  Scheduler scheduler({.max_num_batched_tokens = 8,
                       .max_num_seqs = 1,
                       .max_num_logit_rows = 8,
                       .max_model_len = 200,
                       .max_in_flight = 2,
                       .num_speculative_tokens = 3},
                      pool);
  Request r;
  r.id = 1;
  r.prompt = {5, 5, 5, 5};
  r.max_tokens = 9;
  ASSERT_TRUE(scheduler.submit(share(std::move(r)), kNow).ok());
  const std::vector<SampledToken> fives = {{.token = 5}};
  const Step* ahead = &scheduler.schedule(kNow);
  for (int i = 0; i < 8; ++i) {
    const Step& next = scheduler.schedule(kNow);
    ASSERT_EQ(next.seqs.size(), 1u) << "a draft has no place, so nothing waits for it";
    scheduler.commit(*ahead, fives, std::chrono::milliseconds(100));
    ahead = &next;
  }
}

}  // namespace
}  // namespace ember::test
