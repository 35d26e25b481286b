// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/ngram_draft.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using Ids = std::vector<int32_t>;

Ids draft(const Ids& tokens, int num_tokens) {
  Ids out = {99};  // what it held before does not stay
  ngram_draft(tokens, num_tokens, out);
  return out;
}

TEST(NgramDraft, ProposesWhatFollowedWhenTheSameWasSaid) {
  EXPECT_EQ(draft({1, 2, 3, 4, 5, 1, 2}, 3), (Ids{3, 4, 5}));
  EXPECT_EQ(draft({1, 2, 3, 4, 5, 1, 2}, 1), (Ids{3}));
}

TEST(NgramDraft, TheLongestMatchCountsThenTheLatest) {
  EXPECT_EQ(draft({7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2}, 1), (Ids{3})) << "three tokens before two";
  EXPECT_EQ(draft({1, 2, 3, 1, 2, 4, 1, 2}, 1), (Ids{4})) << "the later of two";
  EXPECT_EQ(draft({9, 1, 2, 3, 4, 5, 8, 1, 2, 3, 4, 6, 9, 1, 2, 3, 4}, 1), (Ids{6}))
      << "a fifth token is not looked at";
}

TEST(NgramDraft, AShortRestIsRepeated) {
  EXPECT_EQ(draft({1, 2, 1, 2}, 5), (Ids{1, 2, 1, 2, 1}));
  EXPECT_EQ(draft({5, 5, 5}, 3), (Ids{5, 5, 5}));
}

TEST(NgramDraft, WhatWasSaidLongAgoIsForgotten) {
  Ids tokens = {1, 2, 3};
  for (int32_t i = 0; i < 8000; ++i) tokens.push_back(100 + i);
  for (const bool found : {true, false}) {
    Ids now = tokens;
    now.insert(now.end(), {1, 2});
    EXPECT_EQ(draft(now, 1), found ? Ids{3} : Ids{});
    for (int32_t i = 8000; i < 8300; ++i) tokens.push_back(100 + i);
  }
}

TEST(NgramDraft, WithoutAMatchThereIsNone) {
  EXPECT_EQ(draft({1, 2, 3, 4, 2}, 3), Ids{}) << "one token is too little";
  EXPECT_EQ(draft({}, 3), Ids{});
  EXPECT_EQ(draft({1}, 3), Ids{});
  EXPECT_EQ(draft({1, 1}, 3), Ids{});
  EXPECT_EQ(draft({1, 2, 1, 2}, 0), Ids{});
}

}  // namespace
}  // namespace ember
