// SPDX-License-Identifier: Apache-2.0
#include "ember/base/token_constraint.h"

#include <gtest/gtest.h>

#include "base/scripted_constraint.h"

namespace ember {
namespace {

std::vector<int32_t> allowed(TokenConstraint& constraint, const std::vector<int32_t>& output) {
  std::vector<uint32_t> words(3, 0xFFFFFFFFu);
  constraint.next_mask(output, words);
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < 96; ++id)
    if ((words[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0) ids.push_back(id);
  return ids;
}

TEST(TokenConstraint, FollowsTheOutputAndAcceptsEachTokenOnce) {
  ScriptedConstraint constraint({{1, 40}, {2}, {95}});
  EXPECT_EQ(allowed(constraint, {}), (std::vector<int32_t>{1, 40}));
  EXPECT_EQ(allowed(constraint, {}), (std::vector<int32_t>{1, 40}));
  EXPECT_EQ(allowed(constraint, {40}), (std::vector<int32_t>{2}));
  EXPECT_EQ(allowed(constraint, {40}),
            (std::vector<int32_t>{2}));  // a step that was computed again
  EXPECT_EQ(allowed(constraint, {40, 2}), (std::vector<int32_t>{95}));
  EXPECT_EQ(constraint.state(), TokenConstraint::State::kOpen);
  EXPECT_EQ(allowed(constraint, {40, 2, 95}), (std::vector<int32_t>{}));
  EXPECT_EQ(constraint.state(), TokenConstraint::State::kDone);
}

TEST(TokenConstraint, CatchesUpWithSeveralTokens) {
  ScriptedConstraint constraint({{1}, {2}, {3}});
  EXPECT_EQ(allowed(constraint, {1, 2}), (std::vector<int32_t>{3}));
}

TEST(TokenConstraint, AllowsNothingAfterAFault) {
  ScriptedConstraint constraint({{1}, {2}});
  EXPECT_EQ(allowed(constraint, {7, 8, 9}), (std::vector<int32_t>{}));
  EXPECT_EQ(constraint.state(), TokenConstraint::State::kFailed);
}

}  // namespace
}  // namespace ember
