// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/scripted_constraint.h"
#include "scheduler/fake_model.h"

namespace {

std::atomic<long> g_allocations{0};

}  // namespace

// Counted, so that a test can tell what a step allocates.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace ember::test {
namespace {

constexpr TimePoint kStart{std::chrono::seconds(1000)};

Request request(RequestId id, int prompt, int max_tokens) {
  Request r;
  r.id = id;
  for (int i = 0; i < prompt; ++i) r.prompt.push_back(static_cast<int32_t>(id) * 100 + i);
  r.max_tokens = max_tokens;
  return r;
}

// A scheduler whose every row of logits says token 7.
struct Fixture {
  BlockPool pool;
  Scheduler scheduler;
  TimePoint now = kStart;
  std::vector<TokenOutput> events;

  Fixture(const SchedulerConfig& config, const BlockPoolConfig& blocks)
      : pool(blocks), scheduler(config, pool) {}

  void submit(const Request& r) { submit(share(r)); }
  void submit(RequestRef r) {
    const Result<void> result = scheduler.submit(std::move(r), now);
    ASSERT_TRUE(result.ok()) << result.error().message;
  }
  // The ids in the step, in its order.
  std::vector<RequestId> step(int32_t token = 7) {
    const Step& s = scheduler.schedule(now);
    scheduler.check_invariants();
    std::vector<RequestId> ids;
    for (const ScheduledSequence& part : s.seqs) ids.push_back(part.seq->request->id);
    scheduler.commit(s, std::vector<SampledToken>(static_cast<size_t>(s.num_logit_rows),
                                                  SampledToken{.token = token}));
    scheduler.check_invariants();
    scheduler.take_events(events);
    return ids;
  }
  FinishReason finish(RequestId id) const {
    for (const TokenOutput& e : events)
      if (e.request_id == id && e.finish != FinishReason::kNone) return e.finish;
    return FinishReason::kNone;
  }
  int num_tokens(RequestId id) const {
    int n = 0;
    for (const TokenOutput& e : events) n += e.request_id == id && e.token >= 0 ? 1 : 0;
    return n;
  }
};

SchedulerConfig config() {
  return {.max_num_batched_tokens = 8,
          .max_num_seqs = 4,
          .max_num_logit_rows = 4,
          .max_model_len = 40,
          .max_num_queued_reqs = 3};
}

using Ids = std::vector<RequestId>;

// Steps of a device that takes 10 ms for each and 1 ms for each token; prompts of 64 tokens.
class StepTime : public testing::Test {
 protected:
  int step() {  // its number of tokens
    const Step& s = f.scheduler.schedule(f.now);
    const int num_tokens = s.num_tokens;
    const std::vector<SampledToken> sevens(static_cast<size_t>(s.num_logit_rows), {.token = 7});
    f.scheduler.commit(s, sevens, std::chrono::milliseconds(10 + num_tokens));
    f.scheduler.check_invariants();
    return num_tokens;
  }
  Fixture f{{.max_num_batched_tokens = 64,
             .max_num_seqs = 8,
             .max_num_logit_rows = 8,
             .max_model_len = 200,
             .step_time_target = std::chrono::milliseconds(25)},
            {.num_blocks = 400, .block_size = 4}};
};

TEST_F(StepTime, PromptsBesideAnAnswerKeepToItTogether) {
  f.submit(request(1, 64, 130));
  EXPECT_EQ(step(), 64) << "nobody waits for the first prompt";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(step(), 1);
  for (RequestId id = 2; id <= 4; ++id) f.submit(request(id, 64, 1));
  int num_steps = 0, largest = 0;
  for (int left = 3 * 64; left > 0; ++num_steps) {
    const int num_tokens = step();
    largest = std::max(largest, num_tokens);
    left -= num_tokens - 1;
  }
  EXPECT_LE(largest, 30) << "15 ms are 15 tokens; the first guess may be wrong by as many";
  EXPECT_GT(num_steps, 8);
  EXPECT_LT(num_steps, 25) << "what fits is used";
}

TEST(StepTimeAhead, AnAnswerInFlightIsWaitedForToo) {
  Fixture f({.max_num_batched_tokens = 64,
             .max_num_seqs = 8,
             .max_num_logit_rows = 8,
             .max_model_len = 200,
             .max_in_flight = 2,
             .step_time_target = std::chrono::milliseconds(25)},
            {.num_blocks = 400, .block_size = 4});
  const auto commit = [&](const Step& s) {
    const std::vector<SampledToken> sevens(static_cast<size_t>(s.num_logit_rows), {.token = 7});
    f.scheduler.commit(s, sevens, std::chrono::milliseconds(10 + s.num_tokens));
  };
  f.submit(request(1, 64, 12));
  for (int i = 0; i < 11; ++i) commit(f.scheduler.schedule(f.now));
  const Step& last = f.scheduler.schedule(f.now);  // of the answer: it wants no more steps
  f.submit(request(2, 64, 2));
  const Step& ahead = f.scheduler.schedule(f.now);
  ASSERT_EQ(ahead.seqs.size(), 1u);
  EXPECT_LT(ahead.num_tokens, 64);
  commit(last);
  commit(ahead);
}

TEST_F(StepTime, WithoutAnswersAStepIsFull) {
  for (RequestId id = 1; id <= 4; ++id) f.submit(request(id, 64, 1));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(step(), 64);
}

TEST(Scheduler, ARequestIsSharedAndNeverChanged) {
  Fixture f({.max_model_len = 20}, {.num_blocks = 8, .block_size = 4});
  const RequestRef mine = share(request(1, 2, 3));
  f.submit(mine);
  EXPECT_EQ(f.scheduler.schedule(f.now).seqs.at(0).seq->request, mine) << "not a copy of it";
  EXPECT_EQ(f.scheduler.traces().at(0).arrival, f.now) << "it names no arrival";
  EXPECT_EQ(mine->arrival, TimePoint{});
  f.scheduler.abort_all(FinishReason::kCancelled);
  EXPECT_EQ(mine.use_count(), 1) << "nobody reads it any more";
}

TEST(Scheduler, RefusesWhatCanNeverFinish) {
  Fixture f(config(), {.num_blocks = 5, .block_size = 4});
  const auto code = [&](const Request& r) {
    const Result<void> result = f.scheduler.submit(share(r), f.now);
    return result.ok() ? "" : result.error().code;
  };
  EXPECT_EQ(code(request(1, 0, 1)), "invalid_value");
  EXPECT_EQ(code(request(1, 1, -1)), "invalid_value");
  EXPECT_EQ(code(request(1, 20, 21)), "context_length_exceeded");
  EXPECT_EQ(code(request(1, 20, 2)),
            "context_length_exceeded");    // 21 tokens stored, the cache has 20
  EXPECT_EQ(code(request(1, 20, 1)), "");  // the last token of the output is not stored
  EXPECT_EQ(code(request(2, 20, 0)), "");
  for (RequestId id = 3; id <= 7; ++id) EXPECT_EQ(code(request(id, 1, 1)), "");
  EXPECT_EQ(code(request(8, 1, 1)), "queue_full");  // 4 running and 3 waiting
  while (f.scheduler.has_work()) f.step();
  for (RequestId id = 1; id <= 7; ++id) EXPECT_EQ(f.finish(id), FinishReason::kLength) << id;
}

TEST(Scheduler, MixesDecodesWithSeveralChunkedPrefills) {
  Fixture f(config(), {.num_blocks = 40, .block_size = 4});
  f.submit(request(1, 2, 9));
  f.submit(request(2, 10, 2));
  f.submit(request(3, 3, 2));
  EXPECT_EQ(f.step(), (Ids{1, 2}));     // 2 + 6 of 10
  EXPECT_EQ(f.step(), (Ids{1, 2, 3}));  // decode, 4, 3
  EXPECT_EQ(f.num_tokens(1), 2);
  EXPECT_EQ(f.num_tokens(2), 1);
  EXPECT_EQ(f.num_tokens(3), 1);
}

TEST(Scheduler, StopsAtStopTokensButNotBeforeTheMinimum) {
  Fixture f(config(), {.num_blocks = 40, .block_size = 4});
  Request r = request(1, 2, 9);
  r.stop_token_ids = {5, 7};
  f.submit(r);
  r.id = 2;
  r.min_tokens = 2;
  f.submit(r);
  while (f.scheduler.has_work()) f.step();
  EXPECT_EQ(f.finish(1), FinishReason::kStop);
  EXPECT_EQ(f.num_tokens(1), 1);
  EXPECT_EQ(f.finish(2), FinishReason::kStop);
  EXPECT_EQ(f.num_tokens(2), 3);
}

TEST(Scheduler, AnInvalidRowEndsOnlyItsOwnRequest) {
  Fixture f(config(), {.num_blocks = 40, .block_size = 4});
  f.submit(request(1, 2, 3));
  f.submit(request(2, 2, 3));
  const Step& s = f.scheduler.schedule(f.now);
  f.scheduler.commit(s, std::vector<SampledToken>{{.token = -1}, {.token = 7}});
  f.scheduler.take_events(f.events);
  EXPECT_EQ(f.finish(1), FinishReason::kNumericalError);
  EXPECT_EQ(f.num_tokens(1), 0);
  while (f.scheduler.has_work()) f.step();
  EXPECT_EQ(f.finish(2), FinishReason::kLength);
  EXPECT_EQ(f.num_tokens(2), 3);
}

TEST(Scheduler, PreemptsTheLatestAndNeverTheFirst) {
  Fixture f(config(), {.num_blocks = 8, .block_size = 1, .enable_prefix_caching = false});
  f.submit(request(1, 3, 6));  // needs all 8
  f.submit(request(2, 3, 4));
  while (f.scheduler.has_work()) {
    const Ids ids = f.step();
    if (f.num_tokens(1) < 6) {
      EXPECT_TRUE(!ids.empty() && ids[0] == 1);
    }
  }
  EXPECT_EQ(f.finish(1), FinishReason::kLength);
  EXPECT_EQ(f.finish(2), FinishReason::kLength);
  EXPECT_EQ(f.num_tokens(2), 4);
  EXPECT_GE(f.scheduler.stats().num_preemptions, 1u);
}

TEST(Scheduler, PrioritiesGoFirstUntilOthersHaveAged) {
  SchedulerConfig c = config();
  c.policy = SchedulingPolicy::kPriority;
  c.max_num_seqs = 1;
  c.max_num_queued_reqs = 20;
  c.ageing = std::chrono::seconds(5);
  Fixture f(c, {.num_blocks = 20, .block_size = 4});
  Request slow = request(1, 1, 1);
  slow.priority = 9;
  f.submit(slow);
  for (RequestId id = 2; id <= 12; ++id) f.submit(request(id, 1, 1));
  Ids order;
  while (f.scheduler.has_work()) {
    for (const RequestId id : f.step()) order.push_back(id);
    f.now += std::chrono::seconds(1);
  }
  EXPECT_EQ(order, (Ids{2, 3, 4, 5, 6, 1, 7, 8, 9, 10, 11, 12}));
}

TEST(Scheduler, ThePromptsLastTokenComesAfterTheDecodes) {
  SchedulerConfig c = config();
  c.policy = SchedulingPolicy::kPriority;
  Fixture f(c, {.num_blocks = 20, .block_size = 4});
  Request running = request(2, 1, 20);
  running.priority = 5;
  f.submit(running);
  f.step();
  f.submit(request(1, 8, 5));
  EXPECT_EQ(f.step(), (Ids{2, 1})) << "7 of 8 tokens";
  EXPECT_EQ(f.step(), (Ids{2, 1})) << "the last one alone";
  EXPECT_EQ(f.step(), (Ids{1, 2})) << "two decodes, the urgent one first";
}

// Prefills are served after decodes: an urgent one that finds no room for its next chunk must not
// be overtaken for ever by small requests, each of which finds room.
TEST(Scheduler, AStreamOfSmallRequestsDoesNotStarveAPrefill) {
  for (int sweep = 0; sweep < 8 * 10 * 6 * 4; ++sweep) {
    const int budget = 5 + sweep % 8, big = 6 + sweep / 8 % 10, blocks = big + 2 + sweep / 80 % 6,
              length = 2 + sweep / 480;
    SchedulerConfig c = config();
    c.policy = SchedulingPolicy::kPriority;
    c.max_num_batched_tokens = budget;
    c.ageing = std::chrono::hours(1);
    Fixture f(c, {.num_blocks = blocks, .block_size = 1, .enable_prefix_caching = false});
    const auto feed = [&](RequestId id) {
      Request small = request(id, 1, length);
      small.priority = 5;
      if (f.scheduler.stats().num_waiting < 2) f.submit(small);
    };
    feed(10);
    f.step();
    feed(11);
    f.step();
    f.submit(request(1, big, 1));
    for (RequestId id = 12; id < 200 && f.finish(1) == FinishReason::kNone; ++id) {
      feed(id);
      f.step();
    }
    EXPECT_EQ(f.finish(1), FinishReason::kLength)
        << blocks << " blocks, prompt " << big << ", budget " << budget << ", length " << length;
  }
}

TEST(Scheduler, DeadlinesEndWaitingAndRunning) {
  Fixture f(config(), {.num_blocks = 3, .block_size = 4});
  Request running = request(1, 4, 8), waiting = request(2, 8, 2);
  running.deadline = kStart + std::chrono::seconds(2);
  waiting.start_deadline = kStart + std::chrono::seconds(1);
  f.submit(running);
  f.step();
  f.submit(waiting);
  EXPECT_EQ(f.step(), (Ids{1}));  // two of three blocks are taken, the other needs two
  f.now += std::chrono::seconds(1);
  EXPECT_EQ(f.step(), (Ids{1}));
  EXPECT_EQ(f.finish(2), FinishReason::kQueueTimeout);
  f.now += std::chrono::seconds(1);
  EXPECT_EQ(f.step(), (Ids{}));
  EXPECT_EQ(f.finish(1), FinishReason::kDeadline);
  EXPECT_EQ(f.pool.num_available(), 3);
}

TEST(Scheduler, CancelInFlightKeepsTheBlocksUntilTheCommit) {
  SchedulerConfig c = config();
  c.max_in_flight = 2;
  Fixture f(c, {.num_blocks = 4, .block_size = 4});
  f.submit(request(1, 4, 8));
  const Step& first = f.scheduler.schedule(f.now);
  const Step& second = f.scheduler.schedule(f.now);
  ASSERT_EQ(second.seqs.size(), 1u);
  EXPECT_EQ(second.seqs[0].first_position, 4);  // the token that the first step is sampling
  EXPECT_TRUE(f.scheduler.cancel(1));
  EXPECT_FALSE(f.scheduler.cancel(1));
  EXPECT_EQ(f.scheduler.stats().num_used_blocks, 2);
  f.scheduler.commit(first, std::vector<SampledToken>{{.token = 7}});
  EXPECT_EQ(f.scheduler.stats().num_used_blocks, 2);
  f.scheduler.commit(second, std::vector<SampledToken>{{.token = 7}});
  EXPECT_EQ(f.scheduler.stats().num_used_blocks, 0);
  f.scheduler.take_events(f.events);
  ASSERT_EQ(f.events.size(), 1u);
  EXPECT_EQ(f.events[0].finish, FinishReason::kCancelled);
}

TEST(Scheduler, ASecondPromptTakesTheFirstOnesBlocks) {
  Fixture f(config(), {.num_blocks = 20, .block_size = 2});
  f.submit(request(1, 7, 3));
  while (f.scheduler.has_work()) f.step();
  Request again = request(1, 7, 3);
  again.id = 2;
  for (const int32_t token : {7, 7})
    again.prompt.push_back(token);  // what the first one generated is found, too
  f.submit(again);
  EXPECT_EQ(f.step(), (Ids{2}));
  EXPECT_EQ(f.events.back().num_cached_tokens, 8);
  EXPECT_EQ(f.scheduler.stats().prefix_cache_hits, 8u);
  EXPECT_EQ(f.scheduler.stats().prefix_cache_queries, 7u + 9u);
}

TEST(Scheduler, AnotherTenantOrSaltFindsNothing) {
  Fixture f(config(), {.num_blocks = 40, .block_size = 2});
  RequestId id = 0;
  const auto cached = [&](const std::string& tenant, const std::string& salt) {
    Request one = request(1, 7, 3);
    one.id = ++id;
    one.cache_scope = {.tenant = tenant, .salt = salt};
    f.submit(one);
    f.events.clear();
    while (f.scheduler.has_work()) f.step();
    return f.events.front().num_cached_tokens;
  };
  for (const int expected : {0, 6}) {
    EXPECT_EQ(cached("a", ""), expected);
    EXPECT_EQ(cached("b", ""), expected);
    EXPECT_EQ(cached("a", "b"), expected);
  }
}

TEST(Scheduler, ASteadyStepAllocatesNothing) {
  SchedulerConfig c = config();
  c.max_model_len = 3000;
  Fixture f(c, {.num_blocks = 800, .block_size = 16, .enable_prefix_caching = false});
  for (RequestId id = 1; id <= 4; ++id) f.submit(request(id, 2, 2500));
  const std::vector<SampledToken> sampled(4, SampledToken{.token = 7});
  f.events.reserve(16);
  const auto step = [&] {
    const Step& s = f.scheduler.schedule(f.now);
    f.scheduler.commit(s, std::span(sampled).first(static_cast<size_t>(s.num_logit_rows)));
    f.events.clear();
    f.scheduler.take_events(f.events);
  };
  for (int i = 0; i < 100; ++i) step();
  const long before = g_allocations;
  for (int i = 0; i < 1000; ++i) step();
  EXPECT_EQ(g_allocations - before, 0);
  EXPECT_EQ(f.scheduler.stats().num_running, 4);
}

TEST(Scheduler, AConstrainedSequenceRunsAheadButForItsSampling) {
  SchedulerConfig c = config();
  c.max_in_flight = 2;
  Fixture f(c, {.num_blocks = 40, .block_size = 4});
  Request r = request(1, 10, 4);  // more than a step's tokens
  r.constraint = std::make_shared<WitnessSource>();
  f.submit(r);
  f.submit(request(2, 2, 9));
  const auto ids = [](const Step& s) {
    Ids list;
    for (const ScheduledSequence& part : s.seqs) list.push_back(part.seq->request->id);
    return list;
  };
  const auto commit = [&](const Step& s) {
    f.scheduler.commit(s, std::vector<SampledToken>(static_cast<size_t>(s.num_logit_rows),
                                                    SampledToken{.token = 7}));
    f.scheduler.check_invariants();
  };
  const Step& first = f.scheduler.schedule(f.now);
  EXPECT_EQ(ids(first), (Ids{1}));
  const Step& second = f.scheduler.schedule(f.now);
  EXPECT_EQ(ids(second), (Ids{1, 2}));
  EXPECT_FALSE(first.samples_after_commit || second.samples_after_commit)
      << "nothing is sampled before";
  commit(first);
  const Step& third = f.scheduler.schedule(f.now);
  EXPECT_EQ(ids(third), (Ids{1, 2}));
  EXPECT_GE(third.seqs[0].pending_row, 0);
  EXPECT_TRUE(third.samples_after_commit);
  commit(second);
  f.scheduler.cancel(1);
  const Step& fourth = f.scheduler.schedule(f.now);
  EXPECT_EQ(ids(fourth), (Ids{2}));
  EXPECT_FALSE(fourth.samples_after_commit) << "nobody in it is constrained";
  commit(third);
  commit(fourth);
}

TEST(Scheduler, AConstrainedRequestEndsForAReasonOfItsOwn) {
  Fixture f(config(), {.num_blocks = 40, .block_size = 4});
  Request r = request(1, 2, 9);
  r.constraint = scripted({});
  f.submit(r);
  r = request(2, 2, 9);
  r.constraint = std::make_shared<WitnessSource>();
  f.submit(r);
  r = request(3, 2, 9);
  r.constraint = std::make_shared<WitnessSource>();
  r.min_tokens = 5;
  r.stop_token_ids = {7};
  f.submit(r);
  const Step& s = f.scheduler.schedule(f.now);
  for (const ScheduledSequence& part : s.seqs)
    part.seq->constraint = part.seq->request->constraint->start();
  f.scheduler.commit(s, std::vector<SampledToken>{{.token = -1}, {.token = -1}, {.token = 7}});
  f.scheduler.take_events(f.events);
  EXPECT_EQ(f.finish(1), FinishReason::kStop);  // complete, in a vocabulary without an end
  EXPECT_EQ(f.finish(2), FinishReason::kConstraintFailed);
  EXPECT_EQ(f.finish(3),
            FinishReason::kStop);  // below min_tokens: the constraint allowed nothing else
}

TEST(Scheduler, AbortEndsEverything) {
  SchedulerConfig c = config();
  c.max_in_flight = 2;
  Fixture f(c, {.num_blocks = 6, .block_size = 4});
  for (RequestId id = 1; id <= 6; ++id) f.submit(request(id, 5, 5));
  f.scheduler.schedule(f.now);
  f.scheduler.cancel(1);
  f.scheduler.schedule(f.now);
  f.scheduler.abort_all(FinishReason::kEngineFailed);
  f.scheduler.check_invariants();
  f.scheduler.take_events(f.events);
  EXPECT_EQ(f.finish(1), FinishReason::kCancelled);
  for (RequestId id = 2; id <= 6; ++id) EXPECT_EQ(f.finish(id), FinishReason::kEngineFailed) << id;
  EXPECT_EQ(f.events.size(), 6u);
  EXPECT_EQ(f.pool.num_available(), 6);
}

}  // namespace
}  // namespace ember::test
