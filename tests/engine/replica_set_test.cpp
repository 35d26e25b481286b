// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/replica_set.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/replica_world.h"

namespace ember {
namespace {

using std::chrono::seconds;
using test::Choices;
using test::plain_request;
using test::SeededChoices;
using test::small_setup;
using test::World;

void any_operation(Choices& c, World& world, RequestId& last_id) {
  const auto replica = static_cast<ReplicaId>(c.below(world.num_replicas()));
  const auto any_id = [&] {
    return static_cast<RequestId>(c.between(1, static_cast<int>(last_id)));
  };
  const int op = c.below(40);
  if (op < 6) return world.submit(test::any_request(c, ++last_id, world.now()));
  if (op == 6 && last_id > 0) {
    const RequestId id = any_id();
    return world.cancel(id);
  }
  if (op == 7) return world.wait(std::chrono::milliseconds(c.below(4000)));
  if (op == 8 && c.one_in(2)) return world.fail(replica, c.one_in(2));
  if (op == 9 && c.one_in(30)) return world.restart(replica);
  if (op == 10 && c.one_in(200) && world.num_hung() + 1 < world.num_replicas())
    return world.hang(replica);
  if (op == 11 && last_id > 0 && world.engine(replica).life() > 1)
    return world.say_something_late(replica, world.engine(replica).life() - 1, any_id());
  if (op == 12) return world.tick();
  if (op == 13) return world.set().set_policy(kRoutingPolicies[c.below(5)].policy);
  if (op == 14 || op == 15) return world.revive(replica);
  world.step(replica);
}

// Random submissions, cancellations, steps and failures: each answer is that of an undisturbed run.
// Returns how often a request went on elsewhere.
uint64_t run_random(uint64_t seed, int num_operations) {
  SeededChoices c(seed);
  test::Setup setup = small_setup(c.between(1, 2));
  setup.scheduler.num_speculative_tokens = c.one_in(2) ? 0 : 4;
  World world(setup, c.between(2, 4), {.seed = seed, .max_replays = c.below(4)});
  RequestId last_id = 0;
  for (int i = 0; i < num_operations; ++i) {
    any_operation(c, world, last_id);
    world.was_out = world.was_out || world.set().failed();
  }
  world.finish();
  return world.set().totals().num_replays;
}

TEST(ReplicaSet, AnswersAreThoseOfARunWithoutFailures) {
  const char* wanted = std::getenv("EMBER_REPLICA_OPERATIONS");
  const int total = wanted != nullptr ? std::atoi(wanted) : 100000;
  constexpr int kEach = 1000;
  uint64_t num_replays = 0;
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(total / kEach); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ASSERT_NO_THROW(num_replays += run_random(seed, kEach));
  }
  EXPECT_GT(num_replays, static_cast<uint64_t>(total / 200));
}

// Where request `id` is; -1: nowhere.
ReplicaId place_of(World& world) {
  const std::vector<ReplicaInfo> all = world.set().replicas();
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i].num_requests > 0) return static_cast<ReplicaId>(i);
  return -1;
}

void step_all(World& world, int times) {
  for (; times > 0; --times)
    for (ReplicaId i = 0; i < world.num_replicas(); ++i) world.step(i);
}

TEST(ReplicaSet, WhatIsSaidOnceIsSaidInTheFirstLife) {
  World world(small_setup(1), 2, {});
  world.submit(plain_request(1));
  step_all(world, 4);
  ASSERT_GT(world.seen(1).tokens.size(), 0u);
  world.fail(place_of(world));
  const ReplicaId second = place_of(world);
  ASSERT_GE(second, 0);
  world.finish();
  EXPECT_EQ(world.seen(1).finish, FinishReason::kLength);
  EXPECT_NE(world.seen(1).events.front().scheduled, TimePoint{});
  for (const TokenOutput& event : world.seen(1).events) EXPECT_EQ(event.num_cached_tokens, 0);
  const ReplicaSetTotals totals = world.set().totals();
  EXPECT_EQ(totals.num_replays, 1u);
  EXPECT_GT(totals.num_replayed_tokens, 0u);
  EXPECT_EQ(world.set().replicas()[static_cast<size_t>(second)].num_lives, 1u);
}

TEST(ReplicaSet, WithoutReplicasARequestWaitsUntilItsStartDeadline) {
  World world(small_setup(), 2, {});
  world.fail(0);
  world.fail(1);
  Request late = plain_request(1), patient = plain_request(2), short_lived = plain_request(3);
  late.start_deadline = world.now() + seconds(5);
  short_lived.deadline = world.now() + seconds(7);
  for (const Request& r : {late, patient, short_lived, plain_request(4)}) world.submit(r);
  world.wait(seconds(4));
  world.tick();
  EXPECT_EQ(world.num_open(), 4);
  world.cancel(4);
  EXPECT_EQ(world.seen(4).finish, FinishReason::kCancelled) << "at once";
  world.wait(seconds(2));
  world.tick();
  EXPECT_EQ(world.seen(1).finish, FinishReason::kQueueTimeout);
  world.wait(seconds(2));
  world.tick();
  EXPECT_EQ(world.seen(3).finish, FinishReason::kDeadline);
  EXPECT_EQ(world.set().last_progress(), TimePoint{}) << "none may be asked";
  world.finish();
  EXPECT_EQ(world.seen(2).finish, FinishReason::kLength);
}

TEST(ReplicaSet, ARequestCostsThreeLivesAtMost) {
  World world(small_setup(), 3, {.max_replays = 2});
  world.submit(plain_request(1));
  int num_failures = 0;
  for (int turn = 0; turn < 10000 && world.seen(1).finish == FinishReason::kNone; ++turn) {
    if (const ReplicaId place = place_of(world); place >= 0) {
      world.fail(place);
      ++num_failures;
    }
    world.wait(std::chrono::milliseconds(100));
    for (ReplicaId i = 0; i < 3; ++i) world.revive(i);
    world.tick();
  }
  EXPECT_EQ(world.seen(1).finish, FinishReason::kEngineFailed);
  EXPECT_EQ(num_failures, 3);
  world.submit(plain_request(2));
  world.finish();
  EXPECT_EQ(world.seen(2).finish, FinishReason::kLength);
}

TEST(ReplicaSet, ASuspectGetsAReplicaThoughOthersKeepComing) {
  World world(small_setup(), 2, {.max_replays = 5});
  world.submit(plain_request(1));
  for (int death = 0; death < 2; ++death) {
    world.fail(place_of(world));
    world.wait(seconds(70));
    for (ReplicaId i = 0; i < 2; ++i) world.revive(i);
  }
  for (RequestId id = 2; id < 400; ++id) {
    world.submit(plain_request(id));
    world.tick();
    step_all(world, 2);
  }
  EXPECT_EQ(world.seen(1).finish, FinishReason::kLength);
  world.finish();
}

TEST(ReplicaSet, WithoutReplaysAFailureEndsWhatWasThere) {
  World world(small_setup(), 2, {.max_replays = 0});
  world.submit(plain_request(1));
  step_all(world, 3);
  const size_t num_tokens = world.seen(1).tokens.size();
  world.fail(place_of(world));
  EXPECT_EQ(world.seen(1).finish, FinishReason::kEngineFailed);
  EXPECT_EQ(world.seen(1).tokens.size(), num_tokens);
}

TEST(ReplicaSet, ARestartIsNoFailureOfTheRequests) {
  World world(small_setup(), 2, {.max_replays = 0});
  world.submit(plain_request(1));
  for (int i = 0; i < 3; ++i) {
    step_all(world, 1);
    const ReplicaId place = place_of(world);
    world.restart(place);
    EXPECT_EQ(place_of(world), 1 - place);
    world.revive(place);
    world.wait(seconds(70));  // longer than any back-off
  }
  world.finish();
  EXPECT_EQ(world.seen(1).finish, FinishReason::kLength);
  EXPECT_EQ(world.set().totals().num_replays, 3u);
}

TEST(ReplicaSet, WhatWasCancelledIsNotReplayed) {
  World world(small_setup(), 2, {});
  world.submit(plain_request(1));
  step_all(world, 2);
  world.cancel(1);
  EXPECT_EQ(world.seen(1).finish, FinishReason::kNone) << "its replica has not said so";
  world.fail(place_of(world));
  EXPECT_EQ(world.seen(1).finish, FinishReason::kCancelled);
  EXPECT_EQ(world.set().totals().num_replays, 0u);
}

TEST(ReplicaSet, AStalledReplicaIsLeftForEverAndItsEventsToo) {
  World world(small_setup(), 2, {});
  world.submit(plain_request(1));
  step_all(world, 3);
  const ReplicaId place = place_of(world);
  world.hang(place);
  world.wait(seconds(101));
  world.tick();
  EXPECT_EQ(place_of(world), 1 - place);
  EXPECT_FALSE(world.set().wants_life(place));
  world.set().restart(place);
  EXPECT_EQ(world.set().replicas()[static_cast<size_t>(place)].state, ReplicaState::kOutOfService);
  world.say_something_late(place, 1, 1);
  EXPECT_EQ(world.seen(1).finish, FinishReason::kNone);
  world.finish();
  EXPECT_EQ(world.seen(1).finish, FinishReason::kLength);
  EXPECT_FALSE(world.set().failed());
}

TEST(ReplicaSet, WhenAllAreOutOfServiceEverythingEnds) {
  World world(small_setup(), 2, {});
  world.was_out = true;
  for (ReplicaId i = 0; i < 2; ++i) {
    world.submit(plain_request(static_cast<RequestId>(i) + 1));
    world.hang(i);
  }
  for (int turn = 0; turn < 3; ++turn) {
    world.wait(seconds(101));
    world.tick();
  }
  EXPECT_TRUE(world.set().failed());
  EXPECT_EQ(world.num_open(), 0);
  world.submit(plain_request(3));
  for (const auto& [id, seen] : world.clients())
    EXPECT_EQ(seen.finish, FinishReason::kEngineFailed) << id;
}

TEST(ReplicaSet, TracesAreThoseOfAllReplicas) {
  World world(small_setup(), 2, {.router = {.policy = RoutingPolicy::kRoundRobin}});
  for (RequestId id = 1; id <= 4; ++id) world.submit(plain_request(id));
  step_all(world, 1);
  EXPECT_EQ(world.set().traces().get().size(), 4u);
  for (const ReplicaInfo& info : world.set().replicas()) {
    EXPECT_EQ(info.num_requests, 2);
    EXPECT_EQ(info.num_choices, 2u);
  }
  EXPECT_EQ(world.set().totals().num_choices[static_cast<size_t>(RoutingPolicy::kRoundRobin)], 4u);
  world.finish();
}

}  // namespace
}  // namespace ember
