// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace ember {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{};
constexpr int kOutput = 100;  // max_tokens: less than the mean length that the router begins with

// 8 ms for a step, 0.05 ms for each of its tokens; `slowness` times that.
StepCost cost(double slowness = 1) {
  StepCost learnt;
  for (int i = 0; i < 500; ++i) {
    const StepWork work = {.decode_tokens = i % 40, .prefill_tokens = i % 3 == 0 ? 500 : 0};
    learnt.learn(work, slowness * 1e-3 * (8 + 0.05 * (work.decode_tokens + work.prefill_tokens)));
  }
  return learnt;
}

ReplicaCapacity capacity(double slowness = 1) {
  return {.step_tokens = 1024, .max_num_seqs = 64, .kv_tokens = 100000, .cost = cost(slowness)};
}

Router router_of(RoutingPolicy policy, int replicas, uint64_t seed = 1) {
  Router router({.policy = policy}, seed);
  for (int i = 0; i < replicas; ++i) router.add(capacity());
  return router;
}

RouteRequest request(uint64_t id, int prompt_tokens = 1000, std::vector<uint64_t> names = {}) {
  return {.id = id,
          .key = id,
          .names = std::move(names),
          .prompt_tokens = prompt_tokens,
          .max_tokens = kOutput};
}

constexpr RoutingPolicy kAll[] = {RoutingPolicy::kPrefix, RoutingPolicy::kLeast,
                                  RoutingPolicy::kPowerOfTwo, RoutingPolicy::kRoundRobin,
                                  RoutingPolicy::kHash};

TEST(Router, NobodyCanBeAskedWhereThereIsNobody) {
  for (const RoutingPolicy policy : kAll) {
    Router router = router_of(policy, 0);
    EXPECT_EQ(router.choose(request(1), kStart), std::nullopt);
  }
}

TEST(Router, PredictsSecondsFromTheBooks) {
  Router router({.policy = RoutingPolicy::kLeast}, 1);
  const ReplicaCapacity can = capacity();
  router.add(can);
  const auto step = [&](int decodes, int prefill = 0) {
    return can.cost.seconds({.decode_tokens = decodes, .prefill_tokens = prefill});
  };
  const RouteRequest probe = request(9, 1500);
  EXPECT_NEAR(router.predicted(0, probe, 0), step(0, 1500) + step(0) + kOutput * step(1), 1e-9);
  EXPECT_NEAR(router.predicted(0, probe, 1000), step(0, 500) + kOutput * step(1), 1e-9);

  router.choose(request(1, 3000), kStart);
  const double behind = step(1, 4500) + 4 * step(1) + kOutput * step(2);
  EXPECT_NEAR(router.predicted(0, probe, 0), behind, 1e-9);
  // A step has computed a part of it, then its first token is there, then it ends.
  const StepWork work = {.prefill_tokens = 1024};
  router.report(0, work, can.cost.seconds(work), kStart);
  EXPECT_NEAR(router.predicted(0, probe, 0), behind - (step(0, 1024) - step(0)) - step(1), 1e-9);
  router.report(0, {.prefill_tokens = 1976}, can.cost.seconds({.prefill_tokens = 1976}), kStart);
  router.first_token(1, 0, kStart);
  EXPECT_NEAR(router.predicted(0, probe, 0), step(1, 1500) + step(1) + kOutput * step(2), 1e-9);
  router.done(1, Outcome::kRequestEnded, 0, kStart);
  EXPECT_NEAR(router.predicted(0, probe, 0), step(0, 1500) + step(0) + kOutput * step(1), 1e-9);
}

TEST(Router, MoreRequestsThanFitHaveToWaitForAnswersToEnd) {
  Router router = router_of(RoutingPolicy::kLeast, 1);
  const RouteRequest small = request(1000, 10);
  for (uint64_t id = 0; id < 63; ++id) router.choose(request(id, 10), kStart);
  const double seated = router.predicted(0, small, 0);
  for (uint64_t id = 63; id < 127; ++id) router.choose(request(id, 10), kStart);
  EXPECT_GT(router.predicted(0, small, 0), 1.9 * seated) << "twice as many as can run";

  Router full = router_of(RoutingPolicy::kLeast, 1);
  full.choose(request(1, 99900), kStart);
  full.first_token(1, 99899, kStart);
  EXPECT_GT(full.predicted(0, request(2, 99900), 0), 1.9 * full.predicted(0, request(2, 100), 99));
}

TEST(Router, LeastTakesTheFastAndTheIdle) {
  Router router({.policy = RoutingPolicy::kLeast}, 1);
  for (const double slowness : {2.0, 1.0, 2.0}) router.add(capacity(slowness));
  EXPECT_EQ(router.choose(request(1), kStart), 1);
  for (uint64_t id = 2; id < 40; ++id) router.choose(request(id, 4000), kStart);
  EXPECT_NE(router.choose(request(50, 10), kStart), std::nullopt);
  std::vector<double> there;
  for (ReplicaId i = 0; i < 3; ++i) there.push_back(router.predicted(i, request(60, 4000), 0));
  EXPECT_LT(std::ranges::max(there), 1.3 * std::ranges::min(there)) << "they fill up evenly";
}

TEST(Router, PrefixGoesWhereThePromptIsCachedUntilTheQueueIsTooLong) {
  Router router = router_of(RoutingPolicy::kPrefix, 4);
  std::vector<uint64_t> names;
  for (uint64_t i = 1; i <= 31; ++i) names.push_back(i);
  const std::optional<ReplicaId> first = router.choose(request(1, 4000, names), kStart);
  router.first_token(1, 0, kStart);
  for (uint64_t id = 2; id < 6; ++id)
    EXPECT_EQ(router.choose(request(id, 4000, names), kStart), first) << id;
  std::map<ReplicaId, int> counts;
  for (uint64_t id = 6; id < 400; ++id) ++counts[*router.choose(request(id, 4000, names), kStart)];
  EXPECT_EQ(counts.size(), 4u) << "one replica would be slower than computing it again";
}

TEST(Router, PrefixForgetsWhatARebuiltReplicaHad) {
  const std::vector<uint64_t> names = {1, 2, 3, 4, 5, 6, 7};
  int back = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Router router = router_of(RoutingPolicy::kPrefix, 2, seed);
    const ReplicaId had = *router.choose(request(1, 1000, names), kStart);
    EXPECT_EQ(router.failed(had, kStart), std::vector<uint64_t>{1});
    router.rebuilt(had, kStart);
    if (router.choose(request(2, 1000, names), kStart + seconds(5)) == had) ++back;
  }
  EXPECT_GT(back, 5);
  EXPECT_LT(back, 35);
}

// How often a prompt goes back to the replica that has seen it, when a younger one that was
// predicted to be cached there has turned out to have num_cached tokens of its 1,024.
int times_back(int num_cached) {
  const std::vector<uint64_t> old = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<uint64_t> young = {11, 12, 13, 14, 15, 16, 17, 18};
  int back = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Router router = router_of(RoutingPolicy::kPrefix, 2, seed);
    const auto answered = [&](uint64_t id, const std::vector<uint64_t>& names, int cached) {
      const ReplicaId chosen = *router.choose(request(id, 1100, names), kStart);
      router.first_token(id, cached, kStart);
      router.done(id, Outcome::kAnswered, kOutput, kStart);
      return chosen;
    };
    const ReplicaId had = answered(1, old, 0);
    uint64_t id = 2;
    while (answered(id++, young, 0) != had) router.rebuilt(1 - had, kStart);
    EXPECT_EQ(answered(id++, young, num_cached), had);
    if (answered(id, old, 1024) == had) ++back;
  }
  return back;
}

TEST(Router, PrefixLearnsThatACacheHasEvictedWhatIsOlderThanWhatItMisses) {
  EXPECT_EQ(times_back(1024), 40);
  EXPECT_LT(times_back(0), 35);
}

TEST(Router, PowerOfTwoNeverTakesTheWorstAndUsesAll) {
  Router router({.policy = RoutingPolicy::kPowerOfTwo}, 3);
  for (const double slowness : {1.0, 1.1, 1.2, 4.0}) router.add(capacity(slowness));
  std::map<ReplicaId, int> counts;
  for (uint64_t id = 1; id <= 600; ++id) {
    ++counts[*router.choose(request(id), kStart)];
    router.done(id, Outcome::kRequestEnded, 0, kStart);
  }
  // The best is in half of all pairs, the second wins against two others, the third against one.
  EXPECT_EQ(counts[3], 0);
  EXPECT_NEAR(counts[0], 300, 50);
  EXPECT_NEAR(counts[1], 200, 50);
  EXPECT_NEAR(counts[2], 100, 50);
}

TEST(Router, RoundRobinTakesTurns) {
  Router router = router_of(RoutingPolicy::kRoundRobin, 3);
  for (uint64_t id = 0; id < 30; ++id)
    EXPECT_EQ(router.choose(request(id), kStart), static_cast<ReplicaId>(id % 3));
}

TEST(Router, RoundRobinWeighsBySpeedSmoothly) {
  Router router({.policy = RoutingPolicy::kRoundRobin}, 1);
  for (const double slowness : {1.0, 3.0, 3.0, 3.0}) router.add(capacity(slowness));
  std::vector<ReplicaId> turns;
  for (uint64_t id = 0; id < 600; ++id) turns.push_back(*router.choose(request(id, 10), kStart));
  EXPECT_NEAR(std::ranges::count(turns, 0), 300, 3);
  for (size_t i = 2; i < turns.size(); ++i)
    EXPECT_FALSE(turns[i] == 0 && turns[i - 1] == 0 && turns[i - 2] == 0) << i;
}

// Waits for first tokens move the weights, but not beyond a tenth and twice; memory halves them.
TEST(Router, WeightsFollowTheWaitsAndTheMemory) {
  Router router = router_of(RoutingPolicy::kRoundRobin, 3);
  TimePoint now = kStart;
  const double waits[] = {0.001, 1, 1000};
  std::map<ReplicaId, uint64_t> on;
  for (uint64_t id = 0; id < 3; ++id) on[*router.choose(request(id, 10), now)] = id;
  for (ReplicaId i = 0; i < 3; ++i)
    router.first_token(
        on[i], 0,
        kStart + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(waits[i])));
  now = kStart + seconds(1000);
  std::map<ReplicaId, int> counts;
  for (uint64_t id = 10; id < 3110; ++id) {
    ++counts[*router.choose(request(id, 10), now)];
    router.done(id, Outcome::kRequestEnded, 0, now);
  }
  EXPECT_NEAR(counts[0], 2000, 3);
  EXPECT_NEAR(counts[1], 1000, 3);
  EXPECT_NEAR(counts[2], 100, 3);

  // Somebody gets a request that fills his memory.
  const ReplicaId filled = *router.choose(request(5000, 99000), now);
  now += seconds(2);
  std::map<ReplicaId, int> after;
  for (uint64_t id = 10; id < 3110; ++id) {
    ++after[*router.choose(request(id, 10), now)];
    router.done(id, Outcome::kRequestEnded, 0, now);
  }
  const double halved = counts[filled] / 2.0 / (3100 - counts[filled] / 2.0) * 3100;
  EXPECT_NEAR(after[filled], halved, 5);
}

TEST(Router, HashKeepsAKeyOnItsReplica) {
  Router router = router_of(RoutingPolicy::kHash, 8);
  std::map<uint64_t, ReplicaId> homes;
  std::map<ReplicaId, int> counts;
  const auto choose = [&](uint64_t key, TimePoint now) {
    RouteRequest r = request(1);
    r.key = key;
    const ReplicaId chosen = *router.choose(r, now);
    router.done(1, Outcome::kRequestEnded, 0, now);
    return chosen;
  };
  for (uint64_t key = 0; key < 2000; ++key) ++counts[homes[key] = choose(key, kStart)];
  for (ReplicaId i = 0; i < 8; ++i) EXPECT_NEAR(counts[i], 250, 70);
  // One that is lost moves its own keys only.
  router.failed(3, kStart);
  for (uint64_t key = 0; key < 2000; ++key)
    if (homes[key] != 3) {
      ASSERT_EQ(choose(key, kStart), homes[key]);
    }
}

TEST(Router, HashBoundsTheLoadOfAPopularKey) {
  constexpr int kReplicas = 5;
  Router router = router_of(RoutingPolicy::kHash, kReplicas);
  std::map<ReplicaId, int> counts;
  for (int n = 1; n <= 500; ++n) {
    RouteRequest r = request(static_cast<uint64_t>(n), 10);
    r.key = 42;
    const ReplicaId chosen = *router.choose(r, kStart);
    ++counts[chosen];
    EXPECT_LE(counts[chosen], std::ceil(1.25 * n / kReplicas));
  }
  EXPECT_EQ(std::ranges::max_element(counts, {}, [](const auto& c) { return c.second; })->second,
            125);
}

TEST(Router, AFailedReplicaIsNotAskedAndItsRequestsAreReturned) {
  for (const RoutingPolicy policy : kAll) {
    Router router = router_of(policy, 3);
    std::map<ReplicaId, std::vector<uint64_t>> on;
    for (uint64_t id = 1; id <= 60; ++id) on[*router.choose(request(id), kStart)].push_back(id);
    EXPECT_EQ(router.failed(1, kStart), on[1]);
    EXPECT_EQ(router.state(1, kStart), Breaker::State::kOpen);
    for (const uint64_t id : on[1]) EXPECT_NE(router.choose(request(id), kStart), 1);
    // What was lost is ignored where it was.
    router.first_token(on[1].front(), 0, kStart);
    router.failed(0, kStart);
    router.failed(2, kStart);
    EXPECT_EQ(router.choose(request(100), kStart), std::nullopt);
    router.first_token(7777, 0, kStart);
    router.done(7777, Outcome::kAnswered, 5, kStart);
  }
}

TEST(Router, ARebuiltReplicaGetsOneRequestAtATimeWhileAnotherIsClosed) {
  for (const RoutingPolicy policy : kAll) {
    Router router = router_of(policy, 2);
    router.failed(0, kStart);
    const TimePoint now = kStart + seconds(2);
    router.rebuilt(0, now);
    uint64_t id = 0;
    const auto on_trial = [&] {
      std::vector<uint64_t> ids;
      for (const uint64_t end = id + 40; id < end; ++id)
        if (router.choose(request(id), now) == 0) ids.push_back(id);
      return ids;
    };
    for (int i = 0; i < 3; ++i) {
      const std::vector<uint64_t> ids = on_trial();
      ASSERT_EQ(ids.size(), 1u);
      router.done(ids.front(), Outcome::kAnswered, 10, now);
    }
    EXPECT_EQ(router.state(0, now), Breaker::State::kClosed);
    EXPECT_GT(on_trial().size(), 1u);

    Router alone = router_of(policy, 1);
    alone.failed(0, kStart);
    alone.rebuilt(0, now);
    for (uint64_t other = 1; other <= 5; ++other) EXPECT_EQ(alone.choose(request(other), now), 0);
  }
}

// One long answer proves a replica as well as three short ones.
TEST(Router, StepsOfHalfAMinuteCloseARebuiltReplica) {
  Router router = router_of(RoutingPolicy::kLeast, 1);
  router.failed(0, kStart);
  const TimePoint now = kStart + seconds(2);
  router.rebuilt(0, now);
  ASSERT_EQ(router.choose(request(1), now), 0);
  for (const int second : {0, 15, 29}) {
    router.report(0, {.decode_tokens = 1}, 0.01, now + seconds(second));
    EXPECT_EQ(router.state(0, now + seconds(second)), Breaker::State::kHalfOpen);
  }
  router.report(0, {.decode_tokens = 1}, 0.01, now + seconds(30));
  EXPECT_EQ(router.state(0, now + seconds(30)), Breaker::State::kClosed);
}

TEST(Router, ThreeAnswersThatTheReplicaSpoiltOpenIt) {
  Router router = router_of(RoutingPolicy::kLeast, 1);
  const auto end = [&](uint64_t id, Outcome outcome) {
    router.choose(request(id), kStart);
    router.done(id, outcome, 0, kStart);
  };
  for (uint64_t id = 1; id < 20; ++id) end(id, Outcome::kRequestEnded);
  EXPECT_EQ(router.state(0, kStart), Breaker::State::kClosed);
  for (uint64_t id = 1; id <= 3; ++id) end(id, Outcome::kEngineFailed);
  EXPECT_EQ(router.state(0, kStart), Breaker::State::kOpen);
}

TEST(Router, OnlyWorkWithoutProgressIsAStall) {
  Router router = router_of(RoutingPolicy::kRoundRobin, 3);
  router.choose(request(1), kStart);
  router.choose(request(2), kStart + seconds(1));
  EXPECT_TRUE(router.stalled(kStart + seconds(9)).empty());
  EXPECT_EQ(router.stalled(kStart + seconds(10)), std::vector{0});
  router.report(0, {.prefill_tokens = 10}, 0.01, kStart + seconds(10));
  EXPECT_EQ(router.stalled(kStart + seconds(11)), std::vector{1});
  router.done(2, Outcome::kRequestEnded, 0, kStart + seconds(11));
  EXPECT_EQ(router.stalled(kStart + seconds(20)), std::vector{0});
  // Idle time before a request is no stall.
  router.choose(request(3), kStart + seconds(100));
  EXPECT_EQ(router.stalled(kStart + seconds(101)), std::vector{0});
}

// Everything that is placed, looked through for every question.
struct NaiveBooks {
  struct Entry {
    uint64_t id = 0;
    ReplicaId replica = 0;
  };
  int count(ReplicaId replica) const {
    return static_cast<int>(
        std::ranges::count_if(entries, [&](const Entry& e) { return e.replica == replica; }));
  }
  std::vector<uint64_t> take(ReplicaId replica) {
    std::vector<uint64_t> ids;
    for (const Entry& e : entries)
      if (e.replica == replica) ids.push_back(e.id);
    std::erase_if(entries, [&](const Entry& e) { return e.replica == replica; });
    std::ranges::sort(ids);
    return ids;
  }
  std::vector<Entry> entries;
};

// What all policies promise, over random events: only replicas that may be asked are chosen; the
// books balance; least is near the least of all predictions.
void run_random_events(RoutingPolicy policy, uint64_t seed, std::vector<ReplicaId>& choices) {
  Random random(seed);
  const int n = 1 + static_cast<int>(random.below(6));
  Router router({.policy = policy}, seed);
  for (int i = 0; i < n; ++i) router.add(capacity(0.5 + random.uniform()));
  NaiveBooks books;
  TimePoint now = kStart;
  for (uint64_t id = 1; id <= 500; ++id) {
    now += milliseconds(random.below(300));
    const auto replica = static_cast<ReplicaId>(random.below(static_cast<uint64_t>(n)));
    if (random.below(60) == 0) {
      ASSERT_EQ(router.failed(replica, now), books.take(replica));
    }
    if (random.below(10) == 0) router.rebuilt(replica, now);
    if (random.below(3) == 0)
      router.report(replica, {.decode_tokens = 5, .prefill_tokens = 100}, 0.02, now);
    if (!books.entries.empty() && random.below(2) == 0) {
      const size_t i = random.below(books.entries.size());
      if (random.below(2) == 0) {
        router.first_token(books.entries[i].id, 0, now);
      } else {
        router.done(books.entries[i].id, Outcome::kAnswered, 50, now);
        books.entries.erase(books.entries.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    std::vector<ReplicaId> may;
    bool any_closed = false;
    for (ReplicaId i = 0; i < n; ++i)
      any_closed = any_closed || router.state(i, now) == Breaker::State::kClosed;
    for (ReplicaId i = 0; i < n; ++i) {
      const Breaker::State state = router.state(i, now);
      if (state == Breaker::State::kClosed ||
          (state == Breaker::State::kHalfOpen && (!any_closed || books.count(i) == 0)))
        may.push_back(i);
    }
    const RouteRequest r = request(id, 1 + static_cast<int>(random.below(3000)));
    std::vector<double> there;
    for (const ReplicaId i : may) there.push_back(router.predicted(i, r, 0));
    const std::optional<ReplicaId> chosen = router.choose(r, now);
    ASSERT_EQ(chosen.has_value(), !may.empty());
    if (!chosen) continue;
    const auto at = std::ranges::find(may, *chosen);
    ASSERT_NE(at, may.end());
    if (policy == RoutingPolicy::kLeast || policy == RoutingPolicy::kPrefix) {
      ASSERT_LE(there[static_cast<size_t>(at - may.begin())],
                1.05 * std::ranges::min(there) * (1 + 1e-9));
    }
    books.entries.push_back({.id = id, .replica = *chosen});
    choices.push_back(*chosen);
  }
}

TEST(Router, EveryPolicyKeepsItsPromisesAndFollowsItsSeed) {
  for (uint64_t seed = 1; seed <= 60; ++seed)
    for (const RoutingPolicy policy : kAll) {
      SCOPED_TRACE(testing::Message()
                   << "seed " << seed << ", policy " << static_cast<int>(policy));
      std::vector<ReplicaId> first, second;
      run_random_events(policy, seed, first);
      run_random_events(policy, seed, second);
      ASSERT_EQ(first, second);
      ASSERT_FALSE(testing::Test::HasFatalFailure());
    }
}

}  // namespace
}  // namespace ember
