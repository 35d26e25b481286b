// SPDX-License-Identifier: Apache-2.0
// Whom a request meets on its replica, and what the operator may change.
#include <gtest/gtest.h>

#include "ember/routing/router.h"

namespace ember {
namespace {

using std::chrono::seconds;

constexpr TimePoint kStart{};

Router router_of(RoutingPolicy policy, int replicas) {
  Router router({.policy = policy}, 1);
  for (int i = 0; i < replicas; ++i)
    router.add({.step_tokens = 1024, .max_num_seqs = 64, .kv_tokens = 100000});
  return router;
}

RouteRequest request(uint64_t id) {
  return {.id = id, .key = id, .prompt_tokens = 1000, .max_tokens = 100};
}

// Past the back-off of a first failure.
constexpr TimePoint kRebuilt = kStart + seconds(2);

Router with_one_half_open() {
  Router router = router_of(RoutingPolicy::kLeast, 2);
  router.failed(1, kStart);
  router.rebuilt(1, kStart);
  EXPECT_EQ(router.state(1, kRebuilt), Breaker::State::kHalfOpen);
  return router;
}

TEST(Company, WhoWantsNoCompanyGetsAHalfOpenReplicaAlone) {
  Router router = with_one_half_open();
  EXPECT_EQ(router.choose(request(1), kRebuilt, Company::kNone), 1);
  EXPECT_EQ(router.choose(request(2), kRebuilt, Company::kNone), std::nullopt);
  for (uint64_t id = 3; id < 20; ++id) EXPECT_EQ(router.choose(request(id), kRebuilt), 0);
  router.failed(0, kRebuilt);
  EXPECT_EQ(router.choose(request(20), kRebuilt), std::nullopt);
  router.join(1);
  EXPECT_EQ(router.choose(request(20), kRebuilt), 1) << "nobody else is there";
}

TEST(Company, AReplicaIsFreeAgainWhenItsLonelyRequestEnds) {
  Router router = with_one_half_open();
  EXPECT_EQ(router.choose(request(1), kRebuilt, Company::kNone), 1);
  router.done(1, Outcome::kRequestEnded, 0, kRebuilt);
  EXPECT_EQ(router.choose(request(2), kRebuilt, Company::kNone), 1);
}

TEST(Company, WithoutABrokenReplicaAnIdleOneIsEnoughForWhoWantsNoCompany) {
  Router router = router_of(RoutingPolicy::kLeast, 2);
  const std::optional<ReplicaId> busy = router.choose(request(1), kStart);
  EXPECT_EQ(router.choose(request(2), kStart, Company::kNone), 1 - *busy);
  EXPECT_EQ(router.choose(request(3), kStart, Company::kNone), std::nullopt);
}

TEST(Company, TheRestLeavesAReplicaToWhoWantsNoCompany) {
  Router router = with_one_half_open();
  for (uint64_t id = 1; id < 20; ++id)
    EXPECT_EQ(router.choose(request(id), kRebuilt, Company::kRest), 0);
  router.failed(0, kRebuilt);
  EXPECT_EQ(router.choose(request(20), kRebuilt, Company::kRest), std::nullopt);

  Router sound = router_of(RoutingPolicy::kLeast, 2);
  const std::optional<ReplicaId> busy = sound.choose(request(1), kStart);
  for (uint64_t id = 2; id < 20; ++id)
    EXPECT_EQ(sound.choose(request(id), kStart, Company::kRest), busy);
  EXPECT_EQ(router_of(RoutingPolicy::kLeast, 1).choose(request(1), kStart, Company::kRest),
            std::nullopt);
}

TEST(Company, FollowsANewPolicyFromTheNextChoiceOn) {
  Router router = router_of(RoutingPolicy::kLeast, 3);
  for (uint64_t id = 1; id < 10; ++id) router.choose(request(id), kStart);
  router.set_policy(RoutingPolicy::kHash);
  EXPECT_EQ(router.policy(), RoutingPolicy::kHash);
  RouteRequest keyed = request(100);
  keyed.key = 7;
  const std::optional<ReplicaId> home = router.choose(keyed, kStart);
  router.done(100, Outcome::kAnswered, 1, kStart);
  for (keyed.id = 101; keyed.id < 110; ++keyed.id) {
    EXPECT_EQ(router.choose(keyed, kStart), home);
    router.done(keyed.id, Outcome::kAnswered, 1, kStart);
  }
}

TEST(Company, ANewCapacityKeepsWhatStepsTake) {
  Router router = router_of(RoutingPolicy::kLeast, 1);
  router.report(0, {.decode_tokens = 4}, 0.1, kStart);
  const double before = router.predicted(0, request(1), 0);
  router.set_capacity(0, {.step_tokens = 512, .max_num_seqs = 64, .kv_tokens = 100000});
  EXPECT_GT(router.predicted(0, request(1), 0), before) << "a prompt takes two steps now";
}

TEST(Company, ARestartBringsBackWhoIsOutOfService) {
  Router router = router_of(RoutingPolicy::kLeast, 1);
  for (int i = 0; i < 7; ++i) router.failed(0, kStart);
  EXPECT_EQ(router.state(0, kStart), Breaker::State::kOutOfService);
  router.restart(0);
  router.rebuilt(0, kStart);
  EXPECT_EQ(router.choose(request(1), kStart + seconds(61)), 0);
}

}  // namespace
}  // namespace ember
