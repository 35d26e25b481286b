// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/draft_policy.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(DraftPolicy, DraftsAsManyAsAreWorthTheirTime) {
  const DraftPolicy policy;  // 0.7 come true
  EXPECT_EQ(policy.num_drafts(0.5, 7), 1) << "0.7, but 0.49";
  EXPECT_EQ(policy.num_drafts(0.3, 7), 3) << "0.343, but 0.24";
  EXPECT_EQ(policy.num_drafts(0.01, 7), 7);
  EXPECT_EQ(policy.num_drafts(1, 7), 0) << "a device that multiplies has no time for guesses";
}

TEST(DraftPolicy, LearnsHowOftenTheyComeTrue) {
  DraftPolicy good, bad;
  for (int i = 0; i < 30; ++i) {
    good.count(4, 4);
    bad.count(4, 1);
  }
  EXPECT_EQ(good.num_drafts(0.5, 7), 7);
  EXPECT_EQ(bad.num_drafts(0.6, 7), 0);
}

TEST(DraftPolicy, PausesAfterThreeStepsInVainAndTriesAgain) {
  DraftPolicy policy;
  policy.count(2, 0);
  policy.count(0, 0);
  EXPECT_GT(policy.num_drafts(0.1, 7), 0);
  policy.count(2, 0);
  for (int step = 0; step < 16; ++step) {
    EXPECT_EQ(policy.num_drafts(0.1, 7), 0) << step;
    policy.count(0, 0);
  }
  EXPECT_GT(policy.num_drafts(0.1, 7), 0);
  for (int i = 0; i < 100; ++i) policy.count(1, 0);
  int tried = 0;
  for (int i = 0; i < 190; ++i) {
    tried += policy.num_drafts(0.3, 7) > 0 ? 1 : 0;
    policy.count(1, 0);
  }
  EXPECT_GT(tried, 0) << "hopeless for long, and still tried now and then";
  EXPECT_LT(tried, 40);
}

}  // namespace
}  // namespace ember
