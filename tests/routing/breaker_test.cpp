// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/breaker.h"

#include <gtest/gtest.h>

#include <vector>

namespace ember {
namespace {

using State = Breaker::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{};

// Time goes on by itself: each call is a millisecond after the one before.
struct Driver {
  explicit Driver(uint64_t seed = 1) : breaker(seed) {}
  TimePoint tick() { return now += milliseconds(1); }
  State state() const { return breaker.state(now); }
  void fail() { breaker.failed(tick()); }
  void rebuild() { breaker.rebuilt(tick()); }
  void good(int n = 1) {
    for (int i = 0; i < n; ++i) breaker.good_answer(tick());
  }
  void bad(int n = 1) {
    for (int i = 0; i < n; ++i) breaker.bad_answer(tick());
  }
  void step_for(Duration length) {
    for (const TimePoint end = now + length; now < end; now += seconds(1)) breaker.good_step(now);
  }
  void wait(Duration length = seconds(60)) { now += length; }
  void open() {
    fail();
    wait();
  }
  void half_open() {
    open();
    rebuild();
  }

  Breaker breaker;
  TimePoint now = kStart;
};

TEST(Breaker, BeginsClosed) { EXPECT_EQ(Driver().state(), State::kClosed); }

TEST(Breaker, AFailureOpensIt) {
  Driver d;
  d.fail();
  EXPECT_EQ(d.state(), State::kOpen);
}

TEST(Breaker, ThreeBadAnswersInARowOpenIt) {
  Driver d;
  d.bad(2);
  d.good();
  d.bad(2);
  EXPECT_EQ(d.state(), State::kClosed);
  d.bad();
  EXPECT_EQ(d.state(), State::kOpen);
}

TEST(Breaker, IsHalfOpenWhenItIsRebuiltAndTheBackOffHasPassed) {
  Driver waits;
  waits.open();
  EXPECT_EQ(waits.state(), State::kOpen) << "nobody has rebuilt it";
  waits.rebuild();
  EXPECT_EQ(waits.state(), State::kHalfOpen);

  int open = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Driver d(seed);
    d.fail();
    d.rebuild();
    if (d.state() == State::kOpen) ++open;
    d.wait(seconds(1));
    EXPECT_EQ(d.state(), State::kHalfOpen)
        << "the first back-off is a second at most, seed " << seed;
  }
  EXPECT_GT(open, 90) << "2 ms after the failure";
}

TEST(Breaker, ThreeGoodAnswersCloseIt) {
  Driver d;
  d.half_open();
  d.good(2);
  EXPECT_EQ(d.state(), State::kHalfOpen);
  d.good();
  EXPECT_EQ(d.state(), State::kClosed);
}

TEST(Breaker, ThirtySecondsOfStepsCloseIt) {
  Driver d;
  d.half_open();
  d.wait(seconds(100));
  d.step_for(seconds(30));
  EXPECT_EQ(d.state(), State::kHalfOpen) << "time without steps does not count";
  d.step_for(seconds(1));
  EXPECT_EQ(d.state(), State::kClosed);
}

TEST(Breaker, OneBadAnswerOrFailureOpensAHalfOpenOne) {
  Driver bad, failed;
  bad.half_open();
  bad.good(2);
  bad.bad();
  EXPECT_EQ(bad.state(), State::kOpen);
  failed.half_open();
  failed.step_for(seconds(30));
  failed.fail();
  EXPECT_EQ(failed.state(), State::kOpen);

  // What it did before does not count.
  bad.wait();
  bad.rebuild();
  bad.good(2);
  EXPECT_EQ(bad.state(), State::kHalfOpen);
  failed.wait();
  failed.rebuild();
  failed.step_for(seconds(30));
  EXPECT_EQ(failed.state(), State::kHalfOpen);
}

TEST(Breaker, NothingButARebuildHelpsAnOpenOne) {
  Driver d;
  d.open();
  d.good(5);
  d.step_for(seconds(40));
  d.bad(5);
  d.breaker.restart();
  EXPECT_EQ(d.state(), State::kOpen);
}

// How long it stays open although it is rebuilt at once.
double back_off(Driver& d) {
  d.fail();
  d.rebuild();
  const TimePoint failed = d.now;
  while (d.state() == State::kOpen) d.wait(milliseconds(10));
  return ember::seconds(d.now - failed);
}

TEST(Breaker, TheBackOffDoublesUpToAMinuteWithFullJitter) {
  constexpr int kSeeds = 2000;
  std::vector<double> sum(8), most(8);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Driver d(seed);
    for (size_t k = 0; k < sum.size(); ++k) {
      const double wait = back_off(d);
      d.good();  // not rebuilt in vain, and not closed yet
      sum[k] += wait;
      most[k] = std::max(most[k], wait);
    }
  }
  for (size_t k = 0; k < sum.size(); ++k) {
    const double limit = std::min(static_cast<double>(1 << k), 60.0);
    EXPECT_LE(most[k], limit + 0.02) << k;
    EXPECT_GT(most[k], 0.9 * limit) << k;
    EXPECT_NEAR(sum[k] / kSeeds, limit / 2, 0.06 * limit) << k;
  }
}

TEST(Breaker, TheBackOffBeginsAnewOnceItWasClosed) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Driver d(seed);
    for (int i = 0; i < 6; ++i) back_off(d);
    d.good(3);
    EXPECT_EQ(d.state(), State::kClosed);
    EXPECT_LE(back_off(d), 1.02) << "seed " << seed;
  }
}

TEST(Breaker, TheSameSeedGivesTheSameBackOffs) {
  Driver a(7), b(7), other(8);
  std::vector<double> of_a, of_b, of_other;
  for (int i = 0; i < 5; ++i) {
    of_a.push_back(back_off(a));
    of_b.push_back(back_off(b));
    of_other.push_back(back_off(other));
  }
  EXPECT_EQ(of_a, of_b);
  EXPECT_NE(of_a, of_other);
}

TEST(Breaker, IsOutOfServiceAfterSixRebuildsWithoutAGoodAnswer) {
  Driver d;
  for (int i = 0; i < 6; ++i) {
    d.half_open();
    EXPECT_EQ(d.state(), State::kHalfOpen) << i;
  }
  d.fail();
  EXPECT_EQ(d.state(), State::kOutOfService);
  d.rebuild();
  d.good(5);
  d.step_for(seconds(60));
  d.fail();
  d.bad();
  EXPECT_EQ(d.state(), State::kOutOfService);
}

TEST(Breaker, ARebuildThatFailsCountsToo) {
  Driver d;
  for (int i = 0; i < 6; ++i) d.open();
  EXPECT_EQ(d.state(), State::kOpen);
  d.fail();
  EXPECT_EQ(d.state(), State::kOutOfService);
}

TEST(Breaker, OneGoodAnswerGivesItSixRebuildsMore) {
  Driver d;
  for (int i = 0; i < 6; ++i) d.half_open();
  d.good();
  for (int i = 0; i < 6; ++i) d.half_open();
  EXPECT_EQ(d.state(), State::kHalfOpen);
  d.fail();
  EXPECT_EQ(d.state(), State::kOutOfService);
}

TEST(Breaker, TheOperatorBringsItBack) {
  Driver d;
  for (int i = 0; i < 7; ++i) d.half_open();
  ASSERT_EQ(d.state(), State::kOutOfService);
  d.breaker.restart();
  EXPECT_EQ(d.state(), State::kOpen) << "it has to be rebuilt";
  d.rebuild();
  EXPECT_EQ(d.state(), State::kHalfOpen);
  d.good(3);
  EXPECT_EQ(d.state(), State::kClosed);
}

}  // namespace
}  // namespace ember
