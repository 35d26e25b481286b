// SPDX-License-Identifier: Apache-2.0
#include "answer_comparison.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using Answer = BenchEngine::Answer;

// Tokens whose log probability is -1 and whose second best is `margin` behind.
Answer answer(const std::vector<int32_t>& tokens, float margin = 1) {
  Answer a;
  for (const int32_t token : tokens) {
    TokenOutput& event = a.events.emplace_back();
    event.token = token;
    event.logprob = -1;
    event.top_logprobs = {{token, -1}, {99, -1 - margin}};
  }
  return a;
}

TEST(AnswerComparison, EqualAnswersAreRight) {
  const AnswerComparison c = compare_greedy({answer({1, 2, 3})}, {answer({1, 2, 3})}, 0.1);
  EXPECT_TRUE(c.right);
  EXPECT_EQ(c.tokens, 3);
  EXPECT_EQ(c.equal, 3);
  EXPECT_EQ(c.first_difference, "");
  EXPECT_TRUE(compare_bits({answer({1})}, {answer({1})}).right);
}

TEST(AnswerComparison, AnotherTokenIsRightOnlyWhereTheBestTwoAreClose) {
  EXPECT_TRUE(compare_greedy({answer({1, 2, 3}, 0.01f)}, {answer({1, 2, 7})}, 0.1).right);
  const AnswerComparison wrong =
      compare_greedy({answer({1, 2, 3}, 0.5f)}, {answer({1, 2, 7})}, 0.1);
  EXPECT_FALSE(wrong.right);
  EXPECT_EQ(wrong.equal, 2);
  EXPECT_NE(wrong.first_difference.find("answer 0, token 2: 7 instead of 3"), std::string::npos)
      << wrong.first_difference;
}

TEST(AnswerComparison, LogProbabilitiesCount) {
  Answer other = answer({1, 2, 3});
  other.events[1].logprob = -1.05f;
  EXPECT_TRUE(compare_greedy({answer({1, 2, 3})}, {other}, 0.1).right);
  EXPECT_FALSE(compare_greedy({answer({1, 2, 3})}, {other}, 0.01).right);
  EXPECT_FALSE(compare_bits({answer({1, 2, 3})}, {other}).right);
  other.events[1].logprob = NAN;
  EXPECT_FALSE(compare_greedy({answer({1, 2, 3})}, {other}, 0.1).right);
}

TEST(AnswerComparison, MostTokensMustBeEqualAndNoneMissing) {
  EXPECT_FALSE(compare_greedy({answer({1, 2, 3, 4}, 0.01f)}, {answer({1, 2, 7, 8})}, 0.1).right);
  EXPECT_FALSE(compare_greedy({answer({1, 2, 3})}, {answer({1, 2})}, 0.1).right);
  EXPECT_FALSE(compare_bits({answer({1})}, {}).right);
}

}  // namespace
}  // namespace ember
